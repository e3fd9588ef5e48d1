/** One client of the double: its protocol state, its prepared statements, its transaction. */
import type { Socket } from 'node:net';
import type { Backing } from './backing.js';
import { violation } from './backing.js';
import type { LastCopy } from './copy.js';
import type { Faults } from './faults.js';
import type { Outcome, Plan } from './plan.js';
import { Cut, SqlError, unverified } from './sql-error.js';
import { type Context, endsTransaction, plan, refuseSize } from './statement.js';
import { type LogEntry, masked, type StatementLog } from './statement-log.js';
import { statements, type Token } from './token.js';
import { answer, type ClientMessage, Fields } from './wire.js';

interface Portal {
  tokens: Token[] | undefined;
  values: (string | null)[];
  outcome?: Outcome;
}

export interface SessionParts {
  id: number;
  socket: Socket;
  backing: Backing;
  context: Omit<Context, 'setting'>;
  last: LastCopy;
  faults: Faults;
  log: StatementLog;
  serverless: boolean;
  /** Whether Parse, Bind and the rest are answered. */
  extended: boolean;
}

export class Session {
  readonly #parts: SessionParts;
  readonly #prepared = new Map<string, Token[] | undefined>();
  readonly #portals = new Map<string, Portal>();
  /** After an error in the extended protocol everything up to Sync is skipped. */
  #skipping = false;
  busy = false;

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  /** Handles one message; false when the client is leaving. */
  async handle(message: ClientMessage): Promise<boolean> {
    if (message.type === 'X') return false;
    this.busy = true;
    try {
      if (message.type === 'Q') await this.#simple(new Fields(message.body).text());
      else if (message.type === 'S') this.#sync();
      else if (!this.#skipping) await this.#extended(message);
      return true;
    } catch (error) {
      if (error instanceof Cut) return false;
      await this.#refuse(error);
      this.#skipping = message.type !== 'Q';
      if (message.type === 'Q') this.#ready();
      return true;
    } finally {
      this.busy = false;
    }
  }

  #write(...messages: Buffer[]): void {
    this.#parts.socket.write(Buffer.concat(messages));
  }

  #ready(): void {
    this.#write(answer.ready(this.#parts.backing.status()));
  }

  #sync(): void {
    this.#skipping = false;
    this.#ready();
  }

  async #refuse(error: unknown): Promise<void> {
    const shown =
      error instanceof SqlError ? error : new SqlError('XX000', `internal error of the double: ${String(error)}`);
    await this.#parts.backing.poison();
    this.#write(answer.error(shown));
  }

  async #simple(sql: string): Promise<void> {
    const list = this.#tokens(sql);
    this.#refuseImplicitBlock(list);
    if (list.length === 0) this.#write(answer.empty());
    for (const tokens of list) this.#reply(await this.#execute(tokens, []), true);
    this.#ready();
  }

  #tokens(sql: string): Token[][] {
    refuseSize(sql);
    return statements(sql);
  }

  /** Several writes in one query string would be one transaction in PostgreSQL; nobody has recorded Redshift's answer. */
  #refuseImplicitBlock(list: readonly Token[][]): void {
    if (list.length < 2 || this.#parts.backing.status() !== 'I') return;
    const words = list.map((tokens) => (tokens[0]?.kind === 'word' ? tokens[0].word : ''));
    if (words.includes('begin') || words.includes('start')) return;
    if (words.every((word) => word === 'set' || word === 'select' || word === 'show')) return;
    throw unverified('several writing statements in one query string outside BEGIN');
  }

  #reply(outcome: Outcome, described: boolean): void {
    const { backing } = this.#parts;
    const notices = backing.notices.splice(0).map(answer.info);
    const fields = outcome.fields !== undefined && described ? [answer.fields(outcome.fields)] : [];
    this.#write(...notices, ...fields, ...(outcome.rows ?? []).map(answer.row), answer.complete(outcome.tag));
  }

  async #execute(tokens: Token[], values: readonly (string | null)[]): Promise<Outcome> {
    const { backing, id, log } = this.#parts;
    const first = tokens[0];
    const verb = first?.kind === 'word' ? first.word : '';
    const { process } = backing;
    const entry: LogEntry = { session: id, process, began: new Date(), verb, text: masked(tokens), outcome: 'ok' };
    log.add(entry);
    try {
      if (tokens.some((token) => token.kind === 'word' && token.word === 'sys_query_history')) await this.#publish();
      if (backing.status() === 'E' && !endsTransaction(tokens)) {
        throw new SqlError('25P02', 'current transaction is aborted, commands ignored until end of transaction block');
      }
      const made = plan(tokens, { ...this.#parts.context, setting: this.#setting() });
      this.#faultBefore(made);
      const outcome = await this.#run(made, values);
      this.#faultAfter(made);
      return outcome;
    } catch (error) {
      entry.outcome = error instanceof SqlError ? error.code : error instanceof Cut ? 'cut' : 'internal';
      throw error;
    } finally {
      entry.ended = new Date();
    }
  }

  /** What the sessions run and have run, for SYS_QUERY_HISTORY; written when somebody reads it. */
  async #publish(): Promise<void> {
    const queries = this.#parts.log.entries.slice(-1000).map(({ process, text, outcome, began, ended }) => ({
      session_id: process,
      query_text: text,
      status: ended === undefined ? 'running' : outcome === 'ok' ? 'success' : 'failed',
      start_time: began,
      end_time: ended ?? null,
    }));
    await this.#parts.backing.history('SELECT redshift_double.note_queries($1)', [JSON.stringify(queries)]);
  }

  #setting(): Context['setting'] {
    const { last, context, serverless } = this.#parts;
    const caseSensitive = /^(on|true|1)$/i.test(context.noted.get('enable_case_sensitive_identifier') ?? '');
    return { caseSensitive, copyCount: last.count, copyId: last.id, serverless };
  }

  async #run(made: Plan, values: readonly (string | null)[]): Promise<Outcome> {
    const { backing, last, faults, id } = this.#parts;
    const failed = backing.status() === 'E';
    if (made.verb === 'commit' && !failed && faults.take('inject1023AtCommit')) {
      await backing.query('ROLLBACK');
      last.rolledBack();
      throw violation(id);
    }
    const outcome = await made.run(backing, values);
    if (made.verb === 'begin') last.began();
    if (made.verb === 'rollback' || (made.verb === 'commit' && failed)) last.rolledBack();
    return outcome;
  }

  #faultBefore(made: Plan): void {
    const { faults, id } = this.#parts;
    if (made.verb === 'commit' && faults.take('dropBeforeCommit')) throw new Cut();
    if (made.verb === 'copy' && faults.take('dropDuringCopy')) throw new Cut();
    if (!made.writes) return;
    if (faults.take('inject1023')) throw violation(id);
    if (faults.take('injectDeadlock')) throw new SqlError('40P01', 'deadlock detected');
  }

  #faultAfter(made: Plan): void {
    const { faults } = this.#parts;
    if (made.verb === 'commit' && faults.take('dropAnswerOfCommit')) throw new Cut();
    if (made.verb === 'copy' && faults.take('dropAnswerOfCopy')) throw new Cut();
  }

  async #extended(message: ClientMessage): Promise<void> {
    if (!this.#parts.extended) throw unverified('the extended query protocol');
    const fields = new Fields(message.body);
    switch (message.type) {
      case 'P':
        return this.#parse(fields);
      case 'B':
        return this.#bind(fields);
      case 'D':
        return this.#describe(fields);
      case 'E':
        return this.#executePortal(fields.text());
      case 'C':
        (fields.byte() === 'S' ? this.#prepared : this.#portals).delete(fields.text());
        this.#write(answer.closeComplete());
        return;
      case 'H':
        return;
      default:
        throw new SqlError('08P01', `message type ${message.type} is not part of what the double speaks`);
    }
  }

  #parse(fields: Fields): void {
    const name = fields.text();
    const list = this.#tokens(fields.text());
    if (list.length > 1) throw new SqlError('42601', 'cannot insert multiple commands into a prepared statement');
    this.#prepared.set(name, list[0]);
    this.#write(answer.parseComplete());
  }

  #bind(fields: Fields): void {
    const portal = fields.text();
    const name = fields.text();
    if (!this.#prepared.has(name)) throw new SqlError('26000', `prepared statement "${name}" does not exist`);
    const formats = Array.from({ length: fields.int16() }, () => fields.int16());
    const values = Array.from({ length: fields.int16() }, () => {
      const length = fields.int32();
      return length < 0 ? null : fields.bytes(length).toString('utf8');
    });
    const results = Array.from({ length: fields.int16() }, () => fields.int16());
    if (formats.includes(1) || results.includes(1)) throw unverified('binary format in the extended protocol');
    this.#portals.set(portal, { tokens: this.#prepared.get(name), values });
    this.#write(answer.bindComplete());
  }

  /** A portal runs when it is described or executed, whichever comes first: only then its columns are known. */
  async #describe(fields: Fields): Promise<void> {
    if (fields.byte() === 'S') throw unverified('Describe of a statement; describe the portal');
    const outcome = await this.#outcome(fields.text());
    this.#write(outcome.fields === undefined ? answer.noData() : answer.fields(outcome.fields));
  }

  async #executePortal(name: string): Promise<void> {
    const portal = this.#portals.get(name);
    if (portal !== undefined && portal.tokens === undefined) return this.#write(answer.empty());
    this.#reply(await this.#outcome(name), false);
    this.#portals.delete(name);
  }

  async #outcome(name: string): Promise<Outcome> {
    const portal = this.#portals.get(name);
    if (portal === undefined) throw new SqlError('34000', `portal "${name}" does not exist`);
    if (portal.tokens === undefined) return { tag: '' };
    portal.outcome ??= await this.#execute(portal.tokens, portal.values);
    return portal.outcome;
  }
}
