/** MERGE as Amazon's page limits it (reference/redshift.md 4.1, rule 54). */
import { backing } from './identifier.js';
import { expression } from './expression.js';
import { assignments } from './dml.js';
import { type Executor, type Plan, writeLock } from './plan.js';
import { query } from './query.js';
import { SqlError, syntaxError, unsupported, unverified } from './sql-error.js';
import { sameTable, type TableName, type Tape } from './tape.js';

const MULTIPLE = 'Found multiple matches to update the same tuple.';

interface Head {
  target: TableName;
  /** Source with its alias. */
  source: string;
  /** How conditions name the source. */
  sourceName: string;
  condition: string;
}

export function merge(tape: Tape): Plan {
  tape.expect('merge', 'into');
  const head = readHead(tape);
  if (tape.accept('remove', 'duplicates')) {
    tape.finish();
    return { verb: 'merge', writes: true, run: (executor) => executor.atomic(() => removeDuplicates(executor, head)) };
  }
  if (head.source.startsWith('(')) throw unverified('a subquery as the source of MERGE without REMOVE DUPLICATES');
  const start = tape.mark();
  branches(tape);
  const actions = tape.cut(start);
  tape.finish();
  const sql = `MERGE INTO ${head.target.sql} USING ${head.source} ON ${head.condition} ${actions}`;
  return {
    verb: 'merge',
    writes: true,
    run: (executor, values) =>
      executor.atomic(async () => {
        await writeLock(executor, head.target.sql);
        const result = await executor.query(sql, values);
        return { tag: result.tag };
      }),
  };
}

function readHead(tape: Tape): Head {
  const target = tape.writeTable();
  tape.userTables.push(target);
  if (tape.sees('as') || tape.seesName()) throw unverified('an alias for the target of MERGE');
  tape.expect('using');
  const source = readSource(tape, target);
  tape.expect('on');
  const start = tape.mark();
  equality(tape);
  while (tape.keep('and')) equality(tape);
  return { target, ...source, condition: tape.cut(start) };
}

function readSource(tape: Tape, target: TableName): { source: string; sourceName: string } {
  if (tape.accept('(')) {
    const start = tape.mark();
    query(tape);
    const inner = tape.cut(start);
    tape.expect(')');
    tape.accept('as');
    const name = backing(tape.name());
    return { source: `(${inner}) AS ${name}`, sourceName: name };
  }
  const table = tape.readTable();
  if (sameTable(table, target)) throw unsupported('Source and target of MERGE must be different tables');
  if (!tape.accept('as') && !tape.seesName()) return { source: table.sql, sourceName: table.sql };
  const name = backing(tape.name());
  return { source: `${table.sql} AS ${name}`, sourceName: name };
}

/** One equality between two columns; anything else in ON is refused. */
function equality(tape: Tape): void {
  if (tape.keep('(')) {
    equality(tape);
    while (tape.keep('and')) equality(tape);
    tape.need(')');
    return;
  }
  side(tape);
  if (!tape.sees('=')) throw unsupported('only equality predicates are allowed in the ON clause of MERGE');
  tape.need('=');
  side(tape);
  if (tape.sees('or')) throw unsupported('only equality predicates are allowed in the ON clause of MERGE');
}

function side(tape: Tape): void {
  let sql = backing(tape.column());
  while (tape.accept('.')) sql += `.${backing(tape.column())}`;
  tape.emit(sql);
}

function branches(tape: Tape): void {
  tape.need('when');
  if (!tape.sees('matched')) throw syntaxError(tape.peek().text);
  tape.need('matched');
  noCondition(tape);
  tape.need('then');
  if (tape.keep('update')) {
    tape.need('set');
    const before = tape.subqueries;
    assignments(tape);
    if (tape.subqueries > before) throw unsupported('subqueries are not allowed in MERGE');
  } else tape.need('delete');
  if (tape.done) throw syntaxError('');
  tape.need('when', 'not', 'matched');
  if (tape.sees('by')) throw syntaxError('by');
  noCondition(tape);
  tape.need('then', 'insert');
  if (tape.sees('(')) tape.emit(`(${tape.columns().map(backing).join(', ')})`);
  tape.need('values', '(');
  do if (!tape.keep('default')) expression(tape);
  while (tape.keep(','));
  tape.need(')');
}

function noCondition(tape: Tape): void {
  if (tape.sees('and')) throw syntaxError('and');
}

/** Target rows that match are replaced by the source's, the others are added; duplicates of a match collapse. */
async function removeDuplicates(executor: Executor, head: Head): Promise<{ tag: string }> {
  const { target, source, sourceName, condition } = head;
  await writeLock(executor, target.sql);
  const clash = await executor.query(
    `SELECT 1 FROM ${target.sql} JOIN ${source} ON ${condition} GROUP BY ${target.sql}.ctid HAVING count(*) > 1 LIMIT 1`,
  );
  if (clash.rows.length > 0) throw new SqlError('XX000', MULTIPLE);
  await executor.query(`CREATE TEMP TABLE rsd_merge ON COMMIT DROP AS SELECT ${sourceName}.* FROM ${source}`);
  await sameColumns(executor, target);
  await executor.query(`DELETE FROM ${target.sql} USING ${source} WHERE ${condition}`);
  const added = await executor.query(`INSERT INTO ${target.sql} SELECT * FROM rsd_merge`);
  await executor.query('DROP TABLE rsd_merge');
  return { tag: `MERGE ${added.count}` };
}

async function sameColumns(executor: Executor, target: TableName): Promise<void> {
  const count = (table: string): string =>
    `(SELECT count(*) FROM pg_attribute WHERE attrelid = '${table.replaceAll("'", "''")}'::regclass AND attnum > 0 AND NOT attisdropped)`;
  const counts = await executor.query(`SELECT ${count('rsd_merge')}, ${count(target.sql)}`);
  const [source, wanted] = counts.rows[0] ?? [];
  if (source !== wanted)
    throw new SqlError('42601', 'MERGE with REMOVE DUPLICATES needs source and target with the same columns');
}
