/** What the server would do for a statement, asked before the first row (reference/mysql.md 2.3). */
import { Failure } from '../errors.js';
import type { Ask } from '../mysql-session.js';
import type { Condition } from './keyset.js';

export interface Verdict {
  /** `range on idx_orders_update_id, about 50000 rows`. */
  text: string;
  /** Why this reads or sorts far more than it returns; undefined when it does not. */
  objection?: string;
  /** The server's estimate of the rows it looks at. */
  rows: number;
}

/**
 * Explains a statement.
 * @param begun the statement has a lower bound, so an index that is walked from its start is walked in vain
 */
export async function explain(ask: Ask, statement: Condition, begun: boolean): Promise<Verdict> {
  // MySQL 9 prints a tree unless it is told otherwise.
  const steps = await ask(`EXPLAIN FORMAT=TRADITIONAL ${statement.sql}`, statement.values);
  const lines: string[] = [];
  const objections: string[] = [];
  let rows = 0;
  for (const step of steps) {
    if (step.type === undefined) throw new Failure('protocol', 'the answer to EXPLAIN has no column `type`');
    const access = step.type ?? 'none';
    const extra = step.Extra ?? '';
    rows += Number(step.rows ?? 0);
    lines.push(
      `${access}${step.key ? ` on ${step.key}` : ''}, about ${step.rows ?? 0} rows${extra ? ` (${extra})` : ''}`,
    );
    if (access === 'ALL') objections.push(`it reads all of ${step.table}`);
    if (access === 'index' && begun) objections.push(`it walks the whole index ${step.key}`);
    if (/filesort/i.test(extra)) objections.push('it sorts its result');
    if (/temporary/i.test(extra)) objections.push('it builds a temporary table');
  }
  const objection = objections.join(' and ');
  return { text: lines.join('; '), rows, ...(objection === '' ? {} : { objection }) };
}
