/**
 * Cuts SQL text into tokens by Redshift's rules: a backslash escapes inside '…' (reference/redshift.md 4.7,
 * rule 47), quoted names keep any character, comments nest. What PostgreSQL has and nobody has confirmed for
 * Redshift (E'…', U&'…', dollar quotes) is refused here, so it cannot reach the server behind.
 */
import { SqlError, syntaxError, unverified } from './sql-error.js';

export type Token =
  | { kind: 'word'; text: string; word: string }
  | { kind: 'quoted'; text: string; name: string }
  | { kind: 'string'; text: string; value: string }
  | { kind: 'number' | 'op' | 'param' | 'end'; text: string };

const WORD = /[A-Za-z_#\u0080-\uffff][A-Za-z0-9_$#\u0080-\uffff]*/y;
const NUMBER = /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y;
const OPERATOR = /::|<=|>=|<>|!=|\|\||[-+*/%=<>.,()[\]:]/y;
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f' };

/** The statements of one query string, each a list of tokens ending in `end`; empty statements are left out. */
export function statements(sql: string): Token[][] {
  const found: Token[][] = [];
  let tokens: Token[] = [];
  const finish = (): void => {
    if (tokens.length > 0) found.push([...tokens, { kind: 'end', text: '' }]);
    tokens = [];
  };
  let at = 0;
  for (;;) {
    at = skipBlank(sql, at);
    if (at >= sql.length) break;
    if (sql[at] === ';') {
      at += 1;
      finish();
      continue;
    }
    const [token, next] = tokenAt(sql, at);
    tokens.push(token);
    at = next;
  }
  finish();
  return found;
}

function tokenAt(sql: string, at: number): [Token, number] {
  const first = sql[at] as string;
  if (first === "'") return stringAt(sql, at);
  if (first === '"') return quotedAt(sql, at);
  if (first === '$') {
    const param = match(/\$\d+/y, sql, at);
    if (param === undefined) throw unverified('dollar-quoted text');
    return [{ kind: 'param', text: param }, at + param.length];
  }
  const number = match(NUMBER, sql, at);
  if (number !== undefined) return [{ kind: 'number', text: number }, at + number.length];
  const word = match(WORD, sql, at);
  if (word !== undefined) {
    const next = sql[at + word.length];
    if (next === "'" && /^(e|b|x|n)$/i.test(word)) throw unverified(`${word}'…' literals`);
    if (/^u$/i.test(word) && next === '&') throw unverified("U&'…' literals");
    return [{ kind: 'word', text: word, word: asciiLower(word) }, at + word.length];
  }
  const op = match(OPERATOR, sql, at);
  if (op === undefined) throw syntaxError(first);
  // `<@`, `->`, `#>` and their like are made of letters that are operators on their own.
  const after = sql[at + op.length] ?? '';
  if (/[-<>=!~@#&|^?`+*/%]$/.test(op) && /[<>=!~@#&|^?`]/.test(after)) throw syntaxError(op + after);
  return [{ kind: 'op', text: op }, at + op.length];
}

function stringAt(sql: string, start: number): [Token, number] {
  let value = '';
  for (let at = start + 1; at < sql.length; at++) {
    const letter = sql[at] as string;
    if (letter === "'") {
      if (sql[at + 1] !== "'") return [{ kind: 'string', text: sql.slice(start, at + 1), value }, at + 1];
      value += "'";
      at += 1;
    } else if (letter === '\\') {
      const next = sql[at + 1] ?? '';
      const octal = match(/[0-7]{1,3}/y, sql, at + 1);
      value += octal === undefined ? (ESCAPES[next] ?? next) : String.fromCharCode(Number.parseInt(octal, 8) & 0xff);
      at += octal?.length ?? 1;
    } else value += letter;
  }
  throw new SqlError('42601', 'unterminated quoted string at or near "\'"');
}

function quotedAt(sql: string, start: number): [Token, number] {
  let name = '';
  for (let at = start + 1; at < sql.length; at++) {
    if (sql[at] !== '"') name += sql[at];
    else if (sql[at + 1] === '"') {
      name += '"';
      at += 1;
    } else {
      if (name === '') throw new SqlError('42601', 'zero-length delimited identifier at or near """"');
      return [{ kind: 'quoted', text: sql.slice(start, at + 1), name }, at + 1];
    }
  }
  throw new SqlError('42601', 'unterminated quoted identifier');
}

function skipBlank(sql: string, from: number): number {
  let at = from;
  for (;;) {
    const blank = match(/\s+|--[^\n]*/y, sql, at);
    if (blank !== undefined) at += blank.length;
    else if (sql.startsWith('/*', at)) at = commentEnd(sql, at);
    else return at;
  }
}

function commentEnd(sql: string, start: number): number {
  let depth = 0;
  for (let at = start; at < sql.length; at++) {
    if (sql.startsWith('/*', at)) {
      depth += 1;
      at += 1;
    } else if (sql.startsWith('*/', at)) {
      depth -= 1;
      at += 1;
      if (depth === 0) return at + 1;
    }
  }
  throw new SqlError('42601', 'unterminated /* comment');
}

function match(pattern: RegExp, sql: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(sql)?.[0];
}

/** Lower-cases A to Z only: Redshift leaves other letters as they are (reference/redshift.md 4.7). */
export function asciiLower(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
