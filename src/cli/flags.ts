/**
 * Flags are defined once per program; parsing, help and the environment read that definition.
 *
 * cac does the parsing, but it turns values into numbers (`00123` becomes 123, an empty value 0), so each
 * value is wrapped before cac sees it and unwrapped afterwards: what a person typed arrives as typed.
 */
import { cac } from 'cac';
import { Failure } from '../errors.js';

export interface Flag {
  name: string;
  short?: string;
  /** Placeholder of the value in help; a flag without one is a switch. */
  value?: string;
  /** May be given more than once. */
  many?: true;
  /** Environment variables that supply the value, first found wins. */
  env?: readonly string[];
  /** Shown in help; the program applies it where it reads the flag. */
  default?: string;
  help: string;
}

export type Env = Readonly<Record<string, string | undefined>>;

/** Raw values exactly as given; every program turns them into its own typed options. */
export class Flags {
  constructor(
    private readonly given: ReadonlyMap<string, readonly string[]>,
    private readonly defined: ReadonlyMap<string, Flag>,
    private readonly env: Env,
  ) {}

  /** True when the flag stands on the command line. */
  typed(name: string): boolean {
    return this.given.has(this.known(name));
  }

  /** The last value given, else the first environment variable set, else undefined. */
  text(name: string): string | undefined {
    return this.texts(name).at(-1);
  }

  /** All values of a flag that may be repeated. */
  texts(name: string): readonly string[] {
    const values = this.given.get(this.known(name));
    if (values) return values;
    for (const variable of this.defined.get(name)?.env ?? []) {
      const value = this.env[variable];
      if (value !== undefined && value !== '') return [value];
    }
    return [];
  }

  /** A switch. */
  on(name: string): boolean {
    const value = this.text(name);
    return value !== undefined && value !== '0' && value !== 'false';
  }

  private known(name: string): string {
    if (!this.defined.has(name)) throw new Error(`flag --${name} is read but not defined`);
    return name;
  }
}

export interface Parsed {
  operands: string[];
  flags: Flags;
}

/** Keeps cac from reading a value as a number, a flag or nothing at all. */
const WRAP = '\u0001';

/** Parses the words after the program name. Throws 64 with a suggestion for anything unknown. */
export function parseFlags(words: readonly string[], defined: readonly Flag[], env: Env): Parsed {
  const byName = new Map(defined.map((flag) => [flag.name, flag]));
  const { wrapped, operands } = wrapValues(words, byName);
  const parser = cac();
  for (const flag of defined) parser.option(`--${flag.name}${flag.value ? ` <${flag.value}>` : ''}`, flag.help);
  const { options } = parser.parse(['node', 'program', ...wrapped], { run: false });
  const given = new Map<string, string[]>();
  for (const flag of defined) {
    const raw: unknown = options[camelCase(flag.name)];
    if (raw === undefined) continue;
    const values = (Array.isArray(raw) ? raw : [raw]).map((value: unknown) =>
      typeof value === 'string' && value.startsWith(WRAP) ? value.slice(WRAP.length) : '1',
    );
    given.set(flag.name, values);
  }
  return { operands, flags: new Flags(given, byName, env) };
}

function wrapValues(
  words: readonly string[],
  byName: ReadonlyMap<string, Flag>,
): { wrapped: string[]; operands: string[] } {
  const wrapped: string[] = [];
  const operands: string[] = [];
  const queue = [...words];
  for (let word = queue.shift(); word !== undefined; word = queue.shift()) {
    if (word === '--') {
      operands.push(...queue);
      break;
    }
    if (word === '-' || !word.startsWith('-')) {
      operands.push(word);
      continue;
    }
    const { flag, inline, rest } = lookUp(word, byName);
    if (rest) queue.unshift(rest);
    if (!flag.value) {
      if (inline !== undefined) throw new Failure('usage', `--${flag.name} takes no value`);
      wrapped.push(`--${flag.name}`);
      continue;
    }
    const value = inline ?? queue.shift();
    if (value === undefined) throw new Failure('usage', `--${flag.name} needs a value (${flag.value})`);
    if (value.includes('\0')) throw new Failure('usage', `--${flag.name}: the value holds a NUL character`);
    wrapped.push(`--${flag.name}=${WRAP}${value}`);
  }
  return { wrapped, operands };
}

interface Found {
  flag: Flag;
  /** The value that stands in the same word. */
  inline: string | undefined;
  /** The remaining short switches of a cluster such as `-nv`. */
  rest?: string;
}

function lookUp(word: string, byName: ReadonlyMap<string, Flag>): Found {
  if (word.startsWith('--')) {
    const equals = word.indexOf('=');
    const name = word.slice(2, equals < 0 ? undefined : equals);
    const flag = byName.get(name);
    if (!flag) throw unknown(`--${name}`, byName);
    return { flag, inline: equals < 0 ? undefined : word.slice(equals + 1) };
  }
  const flag = [...byName.values()].find((one) => one.short === word[1]);
  if (!flag) throw unknown(word, byName);
  const tail = word.slice(2);
  if (flag.value) return { flag, inline: tail === '' ? undefined : tail };
  return tail === '' ? { flag, inline: undefined } : { flag, inline: undefined, rest: `-${tail}` };
}

function unknown(word: string, byName: ReadonlyMap<string, Flag>): Failure {
  const near = closest(
    word,
    [...byName.keys()].map((name) => `--${name}`),
  );
  return new Failure('usage', `unknown flag ${word}`, near ? { hint: `Did you mean ${near}?` } : {});
}

/** The candidate with the smallest edit distance, when it is close enough to be a typing error. */
export function closest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word, candidate);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const swap = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(swap, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}

function camelCase(name: string): string {
  return name.replaceAll(/([a-z])-([a-z])/g, (_, left: string, right: string) => left + right.toUpperCase());
}
