/**
 * The only writer of stderr. Every line is one whole write, control characters from data or servers are
 * made visible, and secrets are replaced by stars (reference/reliability.md rows 76 and 79).
 */
import { Failure, STATUS, systemCode } from '../errors.js';

export class Words {
  private readonly secrets = new Set<string>();

  constructor(
    private readonly program: string,
    private readonly out: (line: string) => void,
    /** 0 = errors only, 1 = normal, 2 = -v, 3 = -vv. */
    private readonly level: number,
  ) {}

  /** Remembers a value that must never be printed, also in its URL-encoded form. */
  secret(value: string | undefined): void {
    if (value === undefined || value.length < 3) return;
    this.secrets.add(value);
    this.secrets.add(encodeURIComponent(value));
  }

  warn(text: string): void {
    this.line(1, `warning: ${text}`);
  }

  note(text: string): void {
    this.line(1, text);
  }

  /** Shown with -v. */
  detail(text: string): void {
    this.line(2, text);
  }

  /** Shown with -vv. */
  debug(text: string): void {
    this.line(3, text);
  }

  /** The last words of a program that failed: what, on what, why, what to do, is a rerun safe. */
  fail(error: unknown): void {
    const failure = error instanceof Failure ? error : new Failure('internal', 'unexpected error', { cause: error });
    const status = STATUS[failure.kind];
    // A status that another program ended with, or a signal, has no name of ours.
    const own = Object.values(STATUS).find(({ code }) => code === failure.code);
    const why = causes(failure.cause);
    const parts = [
      `error[${[failure.code, own?.name].filter(Boolean).join(' ')}]: ${failure.message}`,
      why && `(${why})`,
    ]
      .filter(Boolean)
      .join(' ');
    const advice = [failure.hint, status.rerun].filter(Boolean).join(' ');
    this.line(0, `${parts.replace(/[.]$/, '')}. ${advice}`);
    if (failure.kind === 'internal') this.line(0, stackOf(error));
  }

  private line(level: number, text: string): void {
    if (level > this.level) return;
    this.out(`${this.program}: ${this.clean(text)}\n`);
  }

  private clean(text: string): string {
    let safe = text;
    for (const secret of this.secrets) safe = safe.replaceAll(secret, '***');
    return visible(redactUrls(safe));
  }
}

/** Hides passwords in URLs and signatures in presigned ones. */
export function redactUrls(text: string): string {
  return text
    .replaceAll(/([a-z][a-z0-9+.-]*:\/\/[^\s:/@]*):[^\s@/]+@/gi, '$1:***@')
    .replaceAll(/(X-Amz-(?:Signature|Security-Token|Credential)=)[^&\s"']+/gi, '$1***')
    .replaceAll(
      /\b(password|passwd|secret_access_key|session_token|token)(\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s,;&)]+)/gi,
      '$1$2***',
    );
}

function visible(text: string): string {
  return text.replaceAll(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g,
    (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

/** The messages of an error and of what caused it, the outermost first; an empty text when there is none. */
export function causes(error: unknown): string {
  const seen: string[] = [];
  for (let at: unknown = error; at !== undefined && at !== null && seen.length < 5; at = (at as Error).cause) {
    const code = systemCode(at);
    const message = shortened(
      at instanceof Error ? at.message || at.name : typeof at === 'string' ? at : JSON.stringify(at),
    );
    const text = code && !message.includes(code) ? `${message} [${code}]` : message;
    if (!seen.includes(text)) seen.push(text);
  }
  return seen.join(': ');
}

/** What another side says may have any length. */
function shortened(text: string): string {
  return text.length > MOST_LETTERS ? `${text.slice(0, MOST_LETTERS)} … (${text.length} letters)` : text;
}

const MOST_LETTERS = 2_000;

function stackOf(error: unknown): string {
  return error instanceof Error && error.stack ? error.stack.split('\n').slice(1, 6).join('\n') : '';
}
