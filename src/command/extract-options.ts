/** The flags of `mysql-extract` that say what is read, and the typed request they become. */
import type { Flag, Flags } from '../cli/flags.js';
import type { Invocation } from '../cli/command.js';
import { parseChoice, parseCount, parseDuration } from '../cli/parse.js';
import type { Policy } from '../column/from-mysql.js';
import { Failure } from '../errors.js';
import type { ExtractRequest } from '../plan/extract.js';
import type { Until } from '../plan/until.js';
import { type Resume, parseResume } from '../watermark/resume.js';
import { shardOf } from './shard-plan.js';

/** What bounds a read; also for planning shards. */
export const BOUND_FLAGS: readonly Flag[] = [
  {
    name: 'until',
    value: 'BOUND',
    default: 'settled',
    help: 'settled (no open transaction can add a row below it), none, or a value of the first cursor column; exclusive',
  },
  {
    name: 'lag',
    value: 'TIME',
    default: '2s',
    help: 'how far --until settled stays behind the clock of the server, and before the start of open transactions; on a replica make it longer than any transaction of the primary. Rows that are stamped and not committed for more than a day are not looked for',
  },
  {
    name: 'settle-timeout',
    value: 'TIME',
    default: '60s',
    help: 'how long to wait for open transactions when the cursor is a number',
  },
  {
    name: 'cursor',
    value: 'NAMES',
    default: 'update_at and the like, then the primary key',
    help: 'columns to read by, between commas, of any type but FLOAT, DOUBLE, ENUM, SET, TEXT and BLOB, whose order or text is not exact; none = everything, in key order, as a snapshot',
  },
  { name: 'where', value: 'SQL', help: 'a further condition, as raw SQL' },
  { name: 'allow-full-scan', help: 'read although no index gives the order: the server sorts everything first' },
];

export const READ_FLAGS: readonly Flag[] = [
  {
    name: 'since',
    value: 'POSITION',
    default: 'the start',
    help: 'what `wm get TABLE --format cursor` prints, or a time; rows after it are read',
  },
  ...BOUND_FLAGS,
  {
    name: 'order',
    value: 'ORDER',
    default: 'key from the start without --limit, else cursor',
    help: 'of a read from the start: key (a backfill in primary-key order, then incremental runs) or cursor',
  },
  {
    name: 'limit',
    value: 'N',
    help: 'read at most so many rows; the end record then says limited, a backfill goes on where it stopped with the next run, and a snapshot is refused by wm advance and by rs-copy --mode replace',
  },
  { name: 'batch-size', value: 'N', default: '50000', env: ['BACKUP_BATCH_SIZE'], help: 'rows of one query' },
  { name: 'columns', value: 'NAMES', help: 'only these columns, and those of the cursor' },
  { name: 'exclude', value: 'NAMES', help: 'all columns but these' },
  {
    name: 'query',
    value: 'SQL',
    help: 'read this query, as raw SQL, instead of a table; --cursor names its cursor columns; TABLE names the result',
  },
  {
    name: 'zero-dates',
    value: 'POLICY',
    default: 'fail',
    help: 'dates such as 0000-00-00: fail, null, or text (makes all dates text)',
  },
  {
    name: 'on-bad-value',
    value: 'POLICY',
    default: 'fail',
    help: 'dates such as 2024-02-31 and text that is not UTF-8: fail, null, or text',
  },
  {
    name: 'shard',
    value: 'I/N',
    help: 'one range of a plan of mysql-shards, counted from 0; auto = the index of an array job',
  },
  { name: 'plan', value: 'FILE', help: 'the plan' },
  {
    name: 'parallel',
    value: 'K',
    default: '1',
    help: 'connections that read pages at once; the order of the rows stays',
  },
];

const POLICIES: readonly Policy[] = ['fail', 'null', 'text'];

/** The request behind the flags; 64 for anything malformed or contradictory. Contacts nothing. */
export function extractRequest({ flags, env }: Invocation): ExtractRequest {
  const none = flags.text('cursor') === 'none';
  const limited = flags.text('limit') !== undefined;
  const since = parseSince(flags.text('since'));
  if (none && since.from !== 'start')
    throw new Failure('usage', '--cursor none reads everything; --since does not go with it');
  const order = parseChoice(flags.text('order') ?? (limited ? 'cursor' : 'key'), '--order', ['key', 'cursor'] as const);
  const shard = shardOf(flags, env);
  if (shard && since.from !== 'start')
    throw new Failure('usage', '--shard says where to begin; --since does not go with it');
  return {
    ...boundRequest(flags),
    since,
    // What the columns become does not hang on a cursor: a table need not have one.
    ...(flags.on('explain-types') && flags.text('query') === undefined
      ? ({ cursor: [], since: { from: 'start' } } as const)
      : {}),
    order,
    columns: optional(flags.text('columns'), (text) => parseNames(text, '--columns')) ?? null,
    exclude: optional(flags.text('exclude'), (text) => parseNames(text, '--exclude')) ?? [],
    shard,
    pageRows: parseCount(flags.text('batch-size') ?? '50000', '--batch-size'),
    policies: {
      zeroDates: parseChoice(flags.text('zero-dates') ?? 'fail', '--zero-dates', POLICIES),
      badValues: parseChoice(flags.text('on-bad-value') ?? 'fail', '--on-bad-value', POLICIES),
    },
  };
}

/** The part of a request that {@link BOUND_FLAGS} decide. */
export function boundRequest(flags: Flags): Pick<ExtractRequest, 'cursor' | 'until' | 'where' | 'allowFullScan'> {
  const cursor = flags.text('cursor');
  const bound = [
    flags.text('until') ?? 'settled',
    flags.text('lag') ?? '2s',
    flags.text('settle-timeout') ?? '60s',
  ] as const;
  return {
    cursor: cursor === undefined ? null : cursor === 'none' ? [] : parseNames(cursor, '--cursor'),
    until: parseUntil(...bound),
    where: flags.text('where'),
    allowFullScan: flags.on('allow-full-scan'),
  };
}

function optional<T>(text: string | undefined, parse: (text: string) => T): T | undefined {
  return text === undefined ? undefined : parse(text);
}

/** A time alone is a cursor of one value; everything else is what `wm get` prints. */
function parseSince(text: string | undefined): Resume {
  if (text === undefined) return { from: 'start' };
  if (/^[0-9]{4}-[0-9]{2}-[0-9]{2}/.test(text)) return { from: 'cursor', position: [text] };
  return parseResume(text);
}

function parseUntil(text: string, lag: string, wait: string): Until {
  const lagMs = parseDuration(lag, '--lag');
  const waitMs = parseDuration(wait, '--settle-timeout');
  if (text === 'settled') return { kind: 'settled', lagMs, waitMs };
  if (text === '') throw new Failure('usage', '--until is empty');
  return text === 'none' ? { kind: 'none' } : { kind: 'text', value: text };
}

/** `a,b`; a name that holds a comma or a backtick stands between backticks, doubled inside. */
export function parseNames(text: string, flag: string): string[] {
  const names: string[] = [];
  const name = /\s*(?:`((?:[^`]|``)+)`|([^,`]+?))\s*(?:,|$)/gy;
  while (name.lastIndex < text.length) {
    const found = name.exec(text);
    if (!found)
      throw new Failure('usage', `${flag} ${text}: expected column names between commas`, {
        hint: 'A name that holds a comma goes in backticks.',
      });
    names.push(found[1]?.replaceAll('``', '`') ?? found[2] ?? '');
  }
  if (names.length === 0) throw new Failure('usage', `${flag} names no column`);
  return names;
}
