/** Standard input as a source of bytes. */
import { fstatSync } from 'node:fs';
import { Failure } from '../errors.js';
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
