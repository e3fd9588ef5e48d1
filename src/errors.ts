/**
 * The one error class of the toolkit and the table that turns a kind of failure into an exit status.
 *
 * A kind says what the caller should do next (fix the command, fix the input, run it again), not where
 * the failure happened: reference/style.md section 6, reference/cli-ux.md section 2.
 */

export type Kind =
  | 'usage'
  | 'data'
  | 'no-input'
  | 'internal'
  | 'cannot-create'
  | 'local-io'
  | 'temporary'
  | 'protocol'
  | 'denied'
  | 'config'
  | 'conflict'
  | 'more'
  | 'truncated'
  | 'reader-left';

export interface Status {
  code: number;
  /** Upper-case name printed beside the code. */
  name: string;
  /** One line for the help text of every program. */
  means: string;
  /** What a person who thinks of running the same line again has to know. */
  rerun: string;
}

const SAFE = 'Running the same line again is safe.';
const AFTER = 'Nothing was changed; run it again after fixing this.';

export const STATUS: Readonly<Record<Kind, Status>> = {
  usage: { code: 64, name: 'USAGE', means: 'the command line is wrong; nothing was contacted', rerun: AFTER },
  data: {
    code: 65,
    name: 'DATA',
    means: 'the input is malformed, or counts or checksums differ',
    rerun: 'Running it again will fail the same way until the input is fixed.',
  },
  'no-input': { code: 66, name: 'NOINPUT', means: 'a table, column, object or file does not exist', rerun: AFTER },
  internal: { code: 70, name: 'SOFTWARE', means: 'a bug in this program', rerun: `Please report it. ${SAFE}` },
  'cannot-create': { code: 73, name: 'CANTCREAT', means: 'the output exists or cannot be created', rerun: AFTER },
  'local-io': { code: 74, name: 'IOERR', means: 'local disk or file descriptors ran out', rerun: SAFE },
  temporary: { code: 75, name: 'TEMPFAIL', means: 'network, throttling or a lock, after our own retries', rerun: SAFE },
  protocol: {
    code: 76,
    name: 'PROTOCOL',
    means: 'the other side breaks its contract',
    rerun: 'Running it again will not help.',
  },
  denied: { code: 77, name: 'NOPERM', means: 'authentication or permission refused', rerun: AFTER },
  config: { code: 78, name: 'CONFIG', means: 'configuration, region, bucket or version is wrong', rerun: AFTER },
  conflict: {
    code: 80,
    name: 'CONFLICT',
    means: 'another run owns the table',
    rerun: `${SAFE} Wait for the other run first.`,
  },
  more: { code: 81, name: 'MORE', means: 'stopped at a limit; work remains', rerun: SAFE },
  truncated: { code: 82, name: 'TRUNCATED', means: 'the input ended without its end record', rerun: SAFE },
  'reader-left': { code: 141, name: 'PIPE', means: 'the program that reads our output went away', rerun: SAFE },
};

export interface FailureOptions {
  /** What to do about it, as a sentence. */
  hint?: string;
  cause?: unknown;
  /** An exit status that replaces the kind's own: only for adopting what an upstream stage ended with. */
  code?: number;
}

/** Every expected failure. `message` says what was being done, and to what. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly kind: Kind;
  readonly hint: string | undefined;
  readonly code: number;

  constructor(kind: Kind, message: string, options: FailureOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.hint = options.hint;
    this.code = options.code ?? STATUS[kind].code;
  }
}

/** The kind behind an exit status; statuses nobody documented count as a bug of whoever ended with them. */
export function kindOfCode(code: number): Kind {
  for (const [kind, status] of Object.entries(STATUS)) if (status.code === code) return kind as Kind;
  // A stage that died by a signal (128 + n) can simply be started again.
  return code > 128 ? 'truncated' : 'internal';
}

/** The exit status of anything that can be thrown. */
export function codeOf(error: unknown): number {
  return error instanceof Failure ? error.code : STATUS.internal.code;
}

/** The failure a stage reports when the stage before it wrote an abort record: the same status, never its own. */
export function upstreamFailure(code: number, rows: number): Failure {
  return new Failure(kindOfCode(code), `the program before this one stopped with ${code} after ${rows} rows`, {
    code,
    hint: 'Its own message says why; nothing of this stream was accepted beyond what is already confirmed.',
  });
}

const LOCAL_IO = new Set(['ENOSPC', 'EIO', 'EROFS', 'EDQUOT', 'EFBIG', 'EMFILE', 'ENFILE']);

/** The system error code (`ENOSPC`, `EPIPE`, …) of an error or of the first cause that has one. */
export function systemCode(error: unknown): string | undefined {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const code = (at as NodeJS.ErrnoException).code;
    if (typeof code === 'string') return code;
  }
  return undefined;
}

/** Turns a file-system error on `path` into a Failure with the status a shell script can act on. */
export function fileFailure(error: unknown, doing: string, path: string): Failure {
  const code = systemCode(error) ?? 'unknown error';
  if (code === 'EPIPE') return new Failure('reader-left', `${doing} ${path}`, { cause: error });
  if (LOCAL_IO.has(code)) {
    const limit = code === 'EMFILE' || code === 'ENFILE';
    const hint = limit ? 'Raise `ulimit -n` or lower --concurrency.' : 'Free space or choose another --temp-dir.';
    return new Failure('local-io', `${doing} ${path}: ${code}`, { cause: error, hint });
  }
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return new Failure('no-input', `${doing} ${path}: no such file`, { cause: error });
  if (code === 'EEXIST') return new Failure('cannot-create', `${doing} ${path}: it exists`, { cause: error });
  if (code === 'EACCES' || code === 'EPERM')
    return new Failure('denied', `${doing} ${path}: ${code}`, { cause: error });
  return new Failure('local-io', `${doing} ${path}: ${code}`, { cause: error });
}
