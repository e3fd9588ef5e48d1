/** Standard input as a source of bytes. */
import { fstatSync, read } from 'node:fs';
import { promisify } from 'node:util';
import { Failure, fileFailure } from '../errors.js';
import type { Source } from '../stage.js';
import { PassingBytes } from '../young-garbage.js';

/** True when a person sits at standard input. */
export function stdinIsTerminal(): boolean {
  return process.stdin.isTTY === true;
}

/** True when nothing can be piped in: a terminal, or /dev/null as cron and services have it. */
export function stdinIsDevice(): boolean {
  try {
    return fstatSync(0).isCharacterDevice();
  } catch {
    return true;
  }
}

/** What a person types after a question, up to the end of the line. */
export async function typedLine(signal: AbortSignal): Promise<string> {
  const stop = (): void => void process.stdin.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    let text = '';
    for await (const chunk of process.stdin) {
      text += String(chunk);
      if (text.includes('\n')) break;
    }
    return text.split('\n', 1)[0] ?? '';
  } finally {
    signal.removeEventListener('abort', stop);
    process.stdin.destroy();
  }
}

/** Bytes of a file read at once. */
const FILE_CHUNK_BYTES = 256 << 10;

/**
 * Standard input for a reader that is done with a chunk before it asks for the one after the next: a file is read
 * into two buffers in turn, which costs a fifth less than a buffer for each chunk. Other kinds as {@link stdinBytes}.
 */
export function passingStdin(expected: string): Source<Uint8Array> {
  return (signal) => (fstatSync(0).isFile() ? fileBytes(signal) : stdinBytes(expected)(signal));
}

async function* fileBytes(signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const fill = promisify(read);
  let buffer = new Uint8Array(FILE_CHUNK_BYTES);
  let spare = new Uint8Array(FILE_CHUNK_BYTES);
  for (;;) {
    signal.throwIfAborted();
    const { bytesRead } = await fill(0, buffer, 0, buffer.length, null).catch((error: unknown) => {
      throw fileFailure(error, 'reading', 'stdin');
    });
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    [buffer, spare] = [spare, buffer];
  }
}

/** Bytes as they arrive, at most 64 KiB a chunk. A terminal is refused (64): nobody types a Parquet file. */
export function stdinBytes(expected: string): Source<Uint8Array> {
  return async function* read(signal) {
    if (stdinIsTerminal()) {
      throw new Failure('usage', `stdin is a terminal; ${expected} expected`, {
        hint: 'Pipe something in, or see --help.',
      });
    }
    const stop = (): void => void process.stdin.destroy();
    signal.addEventListener('abort', stop, { once: true });
    try {
      const passing = new PassingBytes();
      for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) {
        yield chunk;
        passing.passed(chunk.length);
      }
    } finally {
      signal.removeEventListener('abort', stop);
      process.stdin.destroy();
    }
  };
}
