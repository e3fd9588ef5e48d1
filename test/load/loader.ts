/** Loads in the test's own process, with the classes rs-copy is made of: as many loads a second as PostgreSQL takes. */
import { type DataType, Table, vectorFromArray } from 'apache-arrow';
import type { Receipt } from '../../src/receipt.js';
import { loadFiles } from '../../src/load/load-file.js';
import { Ledger, ledgerOf } from '../../src/load/ledger.js';
import { POSTGRES_NAMES } from '../../src/load/name.js';
import { Postgres } from '../../src/load/postgres.js';
import type { PlanOptions } from '../../src/load/table-plan.js';
import { Loader } from '../../src/load/transaction.js';
import type { Loaded } from '../../src/load/loaded.js';
import { connectTarget } from '../support/servers.js';
import { type ObjectFacts, storeObject } from './objects.js';

/** Columns by name: the type in the file, and a value a row. */
export type Columns = Readonly<Record<string, readonly [type: DataType, values: readonly unknown[], mysql?: string]>>;

let count = 0;

/** Stores an object with these columns, never the same one twice; the key is `id` unless `facts` say otherwise. */
export function stored(folder: string, columns: Columns, facts: ObjectFacts = {}): Receipt {
  const vectors = Object.entries(columns).map(
    ([name, [type, values]]) => [name, vectorFromArray(values, type)] as const,
  );
  const types = Object.entries(columns).flatMap(([name, [, , mysql]]) => (mysql === undefined ? [] : [[name, mysql]]));
  return storeObject(folder, new Table(Object.fromEntries(vectors)), 0, {
    columns: Object.fromEntries(types) as Record<string, string>,
    cursorColumns: ['id'],
    to: [String((count += 1))],
    ...facts,
  });
}

/** Loads objects into a table as one batch. */
export async function load(
  [schema, table]: readonly [schema: string, table: string],
  receipts: readonly Receipt[],
  plan: Partial<PlanOptions> = {},
): Promise<Loaded> {
  const { signal } = new AbortController();
  const limits = { lockMs: 20_000, idleMs: 60_000 };
  const warehouse = new Postgres({ connect: connectTarget, signal, ...limits, nul: 'fail', showValues: false });
  const target = { schema, table };
  const loader = new Loader({
    warehouse,
    ledger: new Ledger(ledgerOf(POSTGRES_NAMES, target), target, warehouse),
    target,
    plan: {
      mode: undefined,
      key: undefined,
      create: true,
      evolve: 'fail',
      casts: new Map(),
      softDelete: null,
      allowEmpty: false,
      ...plan,
    },
    open: loadFiles({ s3: () => Promise.reject(new Error('no S3 here')), signal }),
    signal,
    onRetry: () => {},
  });
  try {
    const objects = receipts.map((receipt) => ({ ...receipt, chain: null }));
    return await loader.load({ id: `test-${Math.random()}`, objects, through: null });
  } finally {
    await loader.end();
  }
}
