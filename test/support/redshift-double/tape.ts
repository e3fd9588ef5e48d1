/**
 * One statement being read and rewritten. The grammar files take tokens off the tape and put text for the
 * server behind on it; a token no rule takes is a syntax error, so nothing reaches that server unread.
 */
import { backing, backingName, fold, literal, refuseSystemColumn } from './identifier.js';
import { RESERVED } from './reserved-words.js';
import { SqlError, syntaxError, unverified } from './sql-error.js';
import { HIDDEN_SCHEMA, isHistory, systemView } from './system-view.js';
import type { Token } from './token.js';

/** What the session knows that the text of a statement depends on. */
export interface Setting {
  caseSensitive: boolean;
  copyCount: string;
  copyId: number;
  /** STL_* and STV_* are denied, as to ordinary users of Serverless. */
  serverless: boolean;
}

export interface TableName {
  schema: string | undefined;
  /** Folded, as Redshift shows it. */
  name: string;
  /** Quoted, for the server behind. */
  sql: string;
}

export class Tape {
  readonly setting: Setting;
  /** Functions that run on the leader node only, in use. */
  readonly leader = new Set<string>();
  readonly userTables: TableName[] = [];
  /** System views in use; `history` are those that outlive a rollback. */
  readonly views = { catalogue: 0, history: 0 };
  readonly ctes = new Set<string>();
  /** Backing forms of names longer than PostgreSQL keeps. */
  readonly longNames = new Set<string>();
  /** Places that cannot appear inside VALUES of an INSERT. */
  subqueries = 0;
  readonly #tokens: readonly Token[];
  #at = 0;
  #out: string[] = [];

  constructor(tokens: readonly Token[], setting: Setting) {
    this.#tokens = tokens;
    this.setting = setting;
  }

  peek(ahead = 0): Token {
    return this.#tokens[Math.min(this.#at + ahead, this.#tokens.length - 1)] as Token;
  }

  take(): Token {
    const token = this.peek();
    this.#at += 1;
    return token;
  }

  get done(): boolean {
    return this.peek().kind === 'end';
  }

  /** True when the next tokens are these words (lower-case) or operators. */
  sees(...texts: string[]): boolean {
    return texts.every((text, i) => {
      const token = this.peek(i);
      return token.kind === 'word' ? token.word === text : token.kind === 'op' && token.text === text;
    });
  }

  seesAny(...texts: string[]): boolean {
    return texts.some((text) => this.sees(text));
  }

  /** Takes the words without writing them. */
  accept(...texts: string[]): boolean {
    if (!this.sees(...texts)) return false;
    this.#at += texts.length;
    return true;
  }

  expect(...texts: string[]): void {
    if (!this.accept(...texts)) this.fail();
  }

  /** Takes the words and writes them as they are. */
  keep(...texts: string[]): boolean {
    if (!this.accept(...texts)) return false;
    this.emit(...texts);
    return true;
  }

  need(...texts: string[]): void {
    if (!this.keep(...texts)) this.fail();
  }

  emit(...texts: string[]): void {
    this.#out.push(...texts);
  }

  /** What has been written; `from` a mark. */
  text(from = 0): string {
    return this.#out.slice(from).join(' ');
  }

  mark(): number {
    return this.#out.length;
  }

  /** Removes and returns what was written since the mark. */
  cut(mark: number): string {
    const text = this.text(mark);
    this.#out.length = mark;
    return text;
  }

  finish(): void {
    if (!this.done) this.fail();
  }

  fail(): never {
    throw syntaxError(this.peek().text);
  }

  /** A name, folded; reserved words must be quoted. Writes nothing. */
  name(): string {
    const token = this.take();
    if (token.kind === 'quoted') return this.#seen(fold(token.name, this.setting.caseSensitive));
    if (token.kind === 'word' && !RESERVED.has(token.word)) return this.#seen(fold(token.text));
    this.#at -= 1;
    this.fail();
  }

  #seen(name: string): string {
    const short = backingName(name);
    if (short !== name) this.longNames.add(short);
    return name;
  }

  seesName(): boolean {
    const token = this.peek();
    return token.kind === 'quoted' || (token.kind === 'word' && !RESERVED.has(token.word));
  }

  /** A column being named (not created); refuses PostgreSQL's system columns. */
  column(): string {
    const name = this.name();
    refuseSystemColumn(name, false);
    return name;
  }

  /** `(a, b, …)` of column names. Writes nothing. */
  columns(): string[] {
    this.expect('(');
    const names = [this.column()];
    while (this.accept(',')) names.push(this.column());
    this.expect(')');
    return names;
  }

  /** A string literal's value. */
  string(): string {
    const token = this.take();
    if (token.kind === 'string') return token.value;
    this.#at -= 1;
    this.fail();
  }

  integer(): number {
    const negative = this.accept('-');
    const token = this.take();
    if (token.kind === 'number' && /^\d+$/.test(token.text)) return Number(token.text) * (negative ? -1 : 1);
    this.#at -= 1;
    this.fail();
  }

  emitString(value: string): void {
    this.emit(literal(value));
  }

  /** `[schema.]table`, not looked up. Writes nothing. */
  tableName(): TableName {
    const first = this.name();
    if (!this.accept('.')) return table(undefined, first);
    const second = this.name();
    if (this.sees('.')) throw unverified('three-part names (database.schema.table)');
    return table(first, second);
  }

  /** A table that is read: a common table expression, a system view of the double, or a user's table. */
  readTable(): TableName {
    const name = this.tableName();
    if (name.schema === undefined && this.ctes.has(name.name)) return name;
    const view = systemView(name.schema, name.name);
    if (view === undefined) {
      this.userTables.push(name);
      return name;
    }
    if (this.setting.serverless && /^(stl|stv)_/.test(name.name)) {
      throw new SqlError('42501', `permission denied for relation ${name.name}`);
    }
    this.views[isHistory(name.name) ? 'history' : 'catalogue'] += 1;
    return { ...name, sql: `${HIDDEN_SCHEMA}.${backing(view)}` };
  }

  /** A table that is written: never a system one. */
  writeTable(): TableName {
    const name = this.tableName();
    if (systemView(name.schema, name.name) !== undefined) {
      throw new SqlError('42501', `permission denied for relation ${name.name}`);
    }
    return name;
  }
}

function table(schema: string | undefined, name: string): TableName {
  if (schema === HIDDEN_SCHEMA || (schema?.startsWith('pg_') === true && schema !== 'pg_catalog')) {
    throw new SqlError('3F000', `schema "${schema}" does not exist`);
  }
  if (schema !== undefined && name.startsWith('#'))
    throw new SqlError('42P16', 'cannot create temporary relation in non-temporary schema');
  return { schema, name, sql: schema === undefined ? backing(name) : `${backing(schema)}.${backing(name)}` };
}

/** Two spellings of one table. */
export function sameTable(a: TableName, b: TableName): boolean {
  return backingName(a.name) === backingName(b.name) && (a.schema ?? 'public') === (b.schema ?? 'public');
}
