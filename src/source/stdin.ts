/** Standard input as a source of bytes. */
import { fstatSync, read } from 'node:fs';
import { Socket, type SocketConstructorOpts } from 'node:net';
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

/** Bytes read at once: more than a pipe holds. */
const CHUNK_BYTES = 256 << 10;

/**
 * Standard input for a reader that is done with a chunk before it asks for the one after the next: read into two
 * buffers in turn, which spares the garbage of a buffer for each chunk. What is neither a file nor a pipe comes as
 * {@link stdinBytes}.
 */
export function passingStdin(expected: string): Source<Uint8Array> {
  return (signal) => {
    const kind = fstatSync(0);
    if (kind.isFile()) return fileBytes(signal);
    return kind.isFIFO() || kind.isSocket() ? pipeBytes(signal) : stdinBytes(expected)(signal);
  };
}

async function* pipeBytes(signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const [one, other] = [Buffer.alloc(CHUNK_BYTES), Buffer.alloc(CHUNK_BYTES)];
  let next = other;
  let chunk: Uint8Array | undefined;
  let wake: () => void = () => {};
  const callback = (bytes: number, buffer: Uint8Array): boolean => {
    chunk = buffer.subarray(0, bytes);
    wake();
    // Stops reading until it is asked for more.
    return false;
  };
  const onread = { buffer: () => (next = next === one ? other : one), callback };
  // The types know `onread` of `connect` alone; the constructor takes it as well.
  const socket = new Socket({ fd: 0, readable: true, writable: false, onread } as SocketConstructorOpts);
  const stop = (): void => void socket.destroy();
  signal.addEventListener('abort', stop, { once: true });
  let over: { error?: Error } | undefined;
  const end = (error?: Error): void => {
    over ??= error === undefined ? {} : { error };
    wake();
  };
  socket
    .on('end', () => end())
    .on('close', () => end())
    .on('error', end);
  try {
    for (;;) {
      const more = new Promise<void>((resolve) => (wake = resolve));
      socket.resume();
      if (!over) await more;
      if (chunk === undefined) break;
      const given = chunk;
      chunk = undefined;
      yield given;
    }
    if (over?.error) throw fileFailure(over.error, 'reading', 'stdin');
  } finally {
    signal.removeEventListener('abort', stop);
    socket.destroy();
  }
}

async function* fileBytes(signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const fill = promisify(read);
  let buffer = new Uint8Array(CHUNK_BYTES);
  let spare = new Uint8Array(CHUNK_BYTES);
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
