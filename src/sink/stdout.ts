/** Standard output as a sink. A chunk counts as written when the kernel took it. */
import { Failure, fileFailure, systemCode } from '../errors.js';
import type { Sink } from '../stage.js';

/** True when a person looks at standard output. */
export function stdoutIsTerminal(): boolean {
  return process.stdout.isTTY === true;
}

/** Refuses to write a binary format to a terminal (64). */
export function refuseTerminal(what: string, hint: string): void {
  if (stdoutIsTerminal()) throw new Failure('usage', `refusing to write ${what} to a terminal`, { hint });
}

/**
 * Writes one chunk and resolves when it left the process, so memory holds one chunk at a time.
 * Rejects with 141 when the reader went away and 74 when the disk behind stdout is full.
 */
export function writeStdout(chunk: Uint8Array | string): Promise<void> {
  listenOnce();
  return new Promise((resolve, reject) => {
    process.stdout.write(chunk, (error) => (error ? reject(stdoutFailure(error)) : resolve()));
  });
}

/** Everything, in order; resolves when the last byte left the process. Returns the number of bytes. */
export function stdout(): Sink<Uint8Array | string, number> {
  return async (input) => {
    let bytes = 0;
    for await (const chunk of input) {
      await writeStdout(chunk);
      bytes += chunk.length;
    }
    return bytes;
  };
}

/** Calls `leave` when the reader of stdout goes away while nothing is being written. */
export function onReaderLeft(leave: () => void): void {
  process.stdout.on('close', leave);
}

let listening = false;

/** The write callback reports the error; without a listener Node would also throw it as uncaught. */
function listenOnce(): void {
  if (listening) return;
  listening = true;
  process.stdout.on('error', () => {});
}

function stdoutFailure(error: Error): Failure {
  if (systemCode(error) === 'EPIPE' || systemCode(error) === 'ERR_STREAM_DESTROYED') {
    return new Failure('reader-left', 'the reader of stdout went away', { cause: error });
  }
  return fileFailure(error, 'writing', 'stdout');
}
