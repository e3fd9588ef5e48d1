/** Whether an index returns rows in the order of a cursor; without one every page would sort the whole table. */
import { Failure } from '../errors.js';
import type { Index, Table } from './catalogue.js';
import { nameList, qualifiedName, quotedName } from './identifier.js';
import type { KeyColumn } from './keyset.js';

/** The statement that makes reading in this order cheap. */
export function createIndex(table: Table, columns: readonly KeyColumn[]): string {
  const names = columns.map(({ name }) => name);
  const plain = `idx_${table.table}_${names.join('_')}`.replaceAll(/[^A-Za-z0-9_]/g, '_').slice(0, 64);
  return `CREATE INDEX ${quotedName(plain)} ON ${qualifiedName(table)} (${nameList(names)})`;
}

/** The index that delivers rows in the order of these columns, or why the most likely one does not. */
export function orderingIndex(table: Table, columns: readonly KeyColumn[]): { index: string } | { why: string } {
  const names = columns.map(({ name }) => name);
  let why = `no index begins with ${quotedName(names[0] ?? '')}`;
  const primaryFirst = table.indexes.toSorted((a, b) => Number(b.name === 'PRIMARY') - Number(a.name === 'PRIMARY'));
  for (const index of primaryFirst) {
    if (index.parts[0]?.column !== names[0]) continue;
    const flaw = flawOf(table, index, names);
    if (flaw === undefined) return { index: index.name };
    why = `index ${quotedName(index.name)} ${flaw}`;
  }
  return { why };
}

function flawOf(table: Table, index: Index, names: readonly string[]): string | undefined {
  if (index.type !== 'BTREE') return `is a ${index.type} index, which has no order`;
  if (!index.visible) return 'is invisible to the optimizer';
  const used = index.parts.slice(0, names.length);
  const prefix = used.find((part) => part.prefix);
  if (prefix) return `holds only the beginning of ${quotedName(prefix.column ?? '')}`;
  if (used.some((part) => part.descending)) return 'is in descending order';
  // InnoDB appends the primary key to every secondary index.
  const stored = index.parts.map((part) => part.column);
  const tail = table.engine === 'InnoDB' ? table.primaryKey.filter((name) => !stored.includes(name)) : [];
  const order = [...stored, ...tail];
  if (names.every((name, position) => order[position] === name)) return undefined;
  return `has the order ${nameList(order.map((name) => name ?? '(expression)'))}, not ${nameList(names)}`;
}

/** The index to force for a cursor; 78 with the statement that makes one, or null when a full scan is allowed. */
export function demandIndex(table: Table, columns: readonly KeyColumn[], allowFullScan: boolean): string | null {
  const found = orderingIndex(table, columns);
  if ('index' in found) return found.index;
  if (allowFullScan) return null;
  const names = columns.map(({ name }) => name).join(', ');
  throw new Failure('config', `${table.name} has no index for reading in the order of ${names}: ${found.why}`, {
    hint: `Run: ${createIndex(table, columns)}; or let the server sort the whole table each time with --allow-full-scan.`,
  });
}
