/** From what a person asked for to a decided read of a table or of a query. */
import { type Policies, columnPlan } from '../column/from-mysql.js';
import { type ResultField, columnOfField } from '../column/mysql-column.js';
import { Failure } from '../errors.js';
import type { MysqlSession } from '../mysql-session.js';
import type { ReadKind } from '../provenance.js';
import type { Resume } from '../watermark/resume.js';
import type { Table } from './catalogue.js';
import { columnOf, cursorColumns, demandNoNulls, keyColumns, uniqueKeys, whyUnfit } from './cursor.js';
import { type Verdict, explain } from './explain.js';
import { type Condition, type KeyColumn, after } from './keyset.js';
import { demandIndex, orderingIndex } from './ordering-index.js';
import { type ReadPlan, querySource, rawCondition, statement, tableSource } from './read-plan.js';
import { type Selection, queryKey, selectedNames, selectedQueryNames } from './selection.js';
import type { SettledBound } from './settled.js';
import { type Shard, shardCondition } from './shards.js';
import { type Bounded, type Until, below, upperBound } from './until.js';

export interface ExtractRequest extends Selection {
  /** null = found out; empty = none: everything, in key order. */
  cursor: readonly string[] | null;
  since: Resume;
  until: Until;
  /** Order of a read from the start: `key` makes it a backfill. */
  order: 'key' | 'cursor';
  where: string | undefined;
  /** One range of a frozen plan, read in primary-key order up to the plan's own bound. */
  shard: Shard | null;
  pageRows: number;
  allowFullScan: boolean;
  policies: Policies;
}

export interface Extract {
  plan: ReadPlan;
  verdict: Verdict;
  /** Why the bound is weaker than it should be. */
  caveat: string | undefined;
}

/** Decides a read of a table. Throws before any row is read; see the functions it calls for what. */
export async function planTable(
  session: MysqlSession,
  table: Table,
  request: ExtractRequest,
  signal: AbortSignal,
): Promise<Extract> {
  const { shard } = request;
  const snapshot = request.cursor?.length === 0 && !shard;
  const cursor = snapshot || shard ? [] : cursorColumns(table, request.cursor);
  const read = snapshot ? 'snapshot' : shard ? shardKind(table, shard) : readKind(table, cursor, request);
  const key = read === 'incremental' ? cursor : snapshot ? snapshotKey(table) : keyColumns(table, table.primaryKey);
  const index = key.length === 0 ? null : demandIndex(table, key, request.allowFullScan);
  const from = tableSource(table, index);
  // A backfill ends in incremental reads: what they need is asked for before the long read, not after it.
  const firstLoad = read === 'backfill' && !shard;
  const indexed = firstLoad ? tableSource(table, demandIndex(table, cursor, request.allowFullScan)) : from;
  if (!snapshot) await demandNoNulls(session.askPatiently, table, cursor);
  const [first] = cursor;
  const until = first ? await boundOf(session, { from, cursor, indexed }, request, signal) : shardBound(shard);
  const names = selectedNames(table, request, [...key, ...cursor]);
  const plan: ReadPlan = {
    read,
    table: table.name,
    from,
    columns: names.map((name) => columnPlan(columnOf(table, name), request.policies)),
    primaryKey: table.primaryKey,
    key,
    unique: true,
    ...startOf(request),
    conditions: conditionsOf(first, until, request),
    until,
    bounded: first ?? null,
    pageRows: index === null ? null : request.pageRows,
  };
  return judged(session, plan, until, request);
}

/** Decides a read of a query, in the order of the cursor columns it has, or in none. */
export async function planQuery(
  session: MysqlSession,
  name: string,
  query: string,
  request: ExtractRequest,
  signal: AbortSignal,
): Promise<Extract> {
  const from = querySource(query);
  const all = (await resultFields(session, from)).map((field) => columnOfField(name, field));
  const key = (request.cursor ?? []).map((wanted) => queryKey(name, all, wanted));
  const [first] = key;
  const until = first ? await boundOf(session, { from, cursor: key, indexed: null }, request, signal) : null;
  const names = new Set(selectedQueryNames(name, all, request, key));
  const plan: ReadPlan = {
    read: first ? 'incremental' : 'snapshot',
    table: name,
    from,
    columns: all.filter((column) => names.has(column.name)).map((column) => columnPlan(column, request.policies)),
    primaryKey: [],
    key,
    unique: key.length === 0,
    ...startOf(request),
    conditions: conditionsOf(first, until, request),
    until,
    bounded: first ?? null,
    pageRows: first ? request.pageRows : null,
  };
  return judged(session, plan, until, request);
}

/**
 * A first load is read in primary-key order, where that is not the cursor's order anyway: secondary-index order is
 * random reading on a table larger than the server's memory.
 */
function readKind(table: Table, cursor: readonly KeyColumn[], request: ExtractRequest): ReadKind {
  const { since, order, until } = request;
  if (since.from === 'cursor') return 'incremental';
  const key = table.primaryKey;
  const same = key.length === cursor.length && key.every((name, index) => cursor[index]?.name === name);
  const usable = key.length > 0 && key.every((name) => whyUnfit(columnOf(table, name).type) === undefined);
  if (since.from === 'backfill') {
    if (usable && since.until !== null) return 'backfill';
    throw new Failure(
      'usage',
      `${table.name}: this backfill cannot go on: ${usable ? 'it has no bound' : 'there is no usable primary key'}`,
    );
  }
  return order === 'key' && usable && !same && until.kind !== 'none' ? 'backfill' : 'incremental';
}

/** A shard is a part of a backfill, as long as the table still has the key the plan was made for. */
function shardKind(table: Table, shard: Shard): ReadKind {
  const key = keyColumns(table, table.primaryKey);
  if (shard.table === table.name && JSON.stringify(key) === JSON.stringify(shard.key)) return 'backfill';
  const what = shard.table === table.name ? 'another primary key' : `the table ${shard.table}`;
  throw new Failure('data', `the plan is of ${what}`, { hint: 'Make a new one with mysql-shards.' });
}

function shardBound(shard: Shard | null): SettledBound | null {
  return shard === null || shard.until === null ? null : { value: shard.until, rule: 'the bound of the shard plan' };
}

/** Where the first statement begins, and what the stream says about it. */
function startOf({ since, shard }: ExtractRequest): Pick<ReadPlan, 'since' | 'begins'> {
  const position = since.from === 'start' ? null : since.position;
  return { since: position, begins: position ?? shard?.from ?? null };
}

/** The order of a snapshot: the best key there is, so that it can go on over a new connection; or none. */
function snapshotKey(table: Table): KeyColumn[] {
  const fit = uniqueKeys(table).filter((key) =>
    key.every((name) => whyUnfit(columnOf(table, name).type) === undefined),
  );
  const found = fit.map((key) => keyColumns(table, key)).find((key) => 'index' in orderingIndex(table, key));
  return found ?? [];
}

async function boundOf(
  session: MysqlSession,
  { cursor, ...read }: Pick<Bounded, 'from' | 'indexed'> & { cursor: readonly KeyColumn[] },
  { since, until }: ExtractRequest,
  signal: AbortSignal,
): Promise<SettledBound | null> {
  // Rows an interrupted backfill read are as old as its own bound, so that one stays.
  if (since.from === 'backfill' && since.until !== null)
    return { value: since.until, rule: 'the bound this backfill began with' };
  const [first, ...others] = cursor;
  if (!first) return null;
  const position = since.from === 'cursor' ? since.position : null;
  return upperBound(session, { ...read, key: [first, ...others], since: position }, until, signal);
}

function conditionsOf(first: KeyColumn | undefined, until: SettledBound | null, request: ExtractRequest): Condition[] {
  return [
    ...(first && until ? [below(first, until)] : []),
    ...(request.shard ? [shardCondition(request.shard)] : []),
    ...(request.where === undefined ? [] : [rawCondition(request.where)]),
  ];
}

/** The columns of a query; no row is read. */
function resultFields(session: MysqlSession, from: Condition): Promise<ResultField[]> {
  return new Promise((resolve, reject) => {
    session.connection.query(`SELECT * FROM ${from.sql} LIMIT 0`, [...from.values], (error, _rows, fields) =>
      error ? reject(error) : resolve(fields as unknown as ResultField[]),
    );
  });
}

/** Asks the server what it would do. A query that sorts is read with one statement: a page would cost as much as all. */
async function judged(
  session: MysqlSession,
  plan: ReadPlan,
  bound: SettledBound | null,
  { allowFullScan }: ExtractRequest,
): Promise<Extract> {
  const caveat = bound?.caveat;
  after(plan.key, plan.since);
  const verdict = await explain(session.ask, statement(plan, plan.since, plan.pageRows), plan.since !== null);
  if (verdict.objection === undefined || plan.pageRows === null) return { plan, verdict, caveat };
  if (!allowFullScan) {
    throw new Failure(
      'config',
      `${plan.table}: the server would read or sort far more than is asked for: ${verdict.objection}`,
      {
        hint: `Its plan: ${verdict.text}. Give it a usable index, or accept that with --allow-full-scan.`,
      },
    );
  }
  return { plan: { ...plan, pageRows: null }, verdict, caveat };
}
