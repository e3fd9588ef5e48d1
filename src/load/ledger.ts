/**
 * The ledger: one row per object that was loaded into a table, written in the transaction that loaded it. It alone
 * decides what is loaded; the watermark chain only records what it says.
 *
 * Each target has a ledger of its own beside it, `_tablepipe_ledger_<table>`: locking it holds up nobody else, and
 * dropping the schema drops both. `--ledger` names another; one may serve several targets.
 */
import { Failure } from '../errors.js';
import type { Receipt } from '../receipt.js';
import { sqlState } from '../warehouse-failure.js';
import { type NameRules, type Table, derivedName, quoted, quotedTable } from './name.js';
import type { Session, Warehouse } from './warehouse.js';

/** An object to be loaded. `chain` is set when it was read from a watermark chain. */
export interface LoadObject extends Receipt {
  chain: string | null;
}

/** Columns of the ledger with their types, the same on both warehouses; lengths are for Redshift. */
export const LEDGER_COLUMNS: readonly (readonly [name: string, type: string])[] = [
  ['target', 'VARCHAR(300) NOT NULL'],
  ['url', 'VARCHAR(1200) NOT NULL'],
  ['write_id', 'VARCHAR(100) NOT NULL'],
  ['crc32', 'VARCHAR(16) NOT NULL'],
  ['bytes', 'BIGINT NOT NULL'],
  ['rows', 'BIGINT NOT NULL'],
  ['chain', 'VARCHAR(64)'],
  ['generation', 'BIGINT'],
  ['batch', 'VARCHAR(64) NOT NULL'],
  ['run_id', 'VARCHAR(200) NOT NULL'],
  ['loaded_at', 'TIMESTAMPTZ NOT NULL'],
];

const NAMES = LEDGER_COLUMNS.map(([name]) => quoted(name)).join(', ');

/** The ledger of a target when none is named. */
export function ledgerOf(rules: NameRules, { schema, table }: Table): Table {
  return { schema, table: derivedName(rules, '_tablepipe_ledger_', table) };
}

interface Entry {
  url: string;
  write_id: string;
  crc32: string;
  bytes: string;
  chain: string | null;
  generation: string | null;
  batch: string;
}

/** unique_violation in the catalogue, duplicate table, duplicate schema. */
const CREATED_BY_ANOTHER = new Set(['23505', '42P07', '42P06']);

/** Objects asked for or noted at once: PostgreSQL binds at most 65,535 values, Redshift 32,767. */
const AT_ONCE = 500;

export class Ledger {
  constructor(
    readonly table: Table,
    private readonly target: Table,
    private readonly warehouse: Warehouse,
  ) {}

  /** Creates the ledger when it is absent, outside of any transaction. */
  async create(session: Session, withSchema: boolean): Promise<void> {
    if (await this.exists(session)) return;
    const { schema } = this.table;
    const missing = !(await this.warehouse.hasSchema(session, schema));
    if (missing && !withSchema) {
      throw new Failure('no-input', `the schema ${schema} does not exist`, { hint: 'Create it, or add --create.' });
    }
    const statements = missing ? [`CREATE SCHEMA IF NOT EXISTS ${quoted(schema)}`] : [];
    for (const statement of [...statements, ...this.warehouse.ledgerDdl(this.table)]) {
      await this.createOne(session, statement);
    }
  }

  /** IF NOT EXISTS does not keep two sessions that create at the same moment apart: one gets an error, and what it wanted. */
  private async createOne(session: Session, statement: string): Promise<void> {
    try {
      await session.write(statement);
    } catch (error) {
      if (!CREATED_BY_ANOTHER.has(sqlState(error) ?? '')) throw error;
    }
  }

  async exists(session: Session): Promise<boolean> {
    return (await this.warehouse.describe(session, this.table)) !== undefined;
  }

  /** Takes the lock no two loaders of this ledger have at once; held until the transaction ends. */
  async lock(session: Session): Promise<void> {
    for (const statement of this.warehouse.lockLedger(this.table)) await session.write(statement);
  }

  /** The objects that are loaded already, each with the batch that did it. */
  async held(session: Session, objects: readonly LoadObject[]): Promise<Map<LoadObject, string>> {
    const found = new Map<LoadObject, string>();
    for (const some of slices(objects)) {
      const places = some.map((_, index) => `$${index + 2}`).join(', ');
      const entries = await session.read<Entry>(
        `SELECT url, write_id, crc32, bytes, chain, generation, batch FROM ${quotedTable(this.table)} WHERE target = $1 AND url IN (${places})`,
        [this.targetText(), ...some.map((object) => object.url)],
      );
      for (const object of some) {
        const entry = entries.find((one) => one.url === object.url && isSame(one, object));
        if (entry) found.set(object, entry.batch);
      }
    }
    return found;
  }

  /**
   * The same for a snapshot, which is loaded as a whole: all of its objects, with the batch that did it, when that was
   * the last thing loaded into the target; else none. Of two snapshots the second may share objects with the first.
   */
  async heldAsWhole(session: Session, objects: readonly LoadObject[]): Promise<Map<LoadObject, string>> {
    const table = quotedTable(this.table);
    const entries = await session.read<Entry>(
      `SELECT url, write_id, crc32, bytes, chain, generation, batch FROM ${table} WHERE target = $1 AND batch = (SELECT batch FROM ${table} WHERE target = $1 ORDER BY loaded_at DESC LIMIT 1)`,
      [this.targetText()],
    );
    const same = (object: LoadObject): boolean => entries.some((one) => one.url === object.url && isSame(one, object));
    const whole = entries.length === objects.length && objects.every(same);
    return new Map(whole ? objects.map((object) => [object, entries[0]?.batch ?? '']) : []);
  }

  /** Notes objects as loaded by a batch. */
  async add(session: Session, objects: readonly LoadObject[], batch: string): Promise<void> {
    const bound = LEDGER_COLUMNS.length - 1;
    for (const some of slices(objects)) {
      const rows = some.map((_, row) => {
        const places = Array.from({ length: bound }, (__, column) => `$${row * bound + column + 1}`);
        return `(${places.join(', ')}, ${this.warehouse.now})`;
      });
      const values = some.flatMap((object) => this.valuesOf(object, batch));
      await session.write(`INSERT INTO ${quotedTable(this.table)} (${NAMES}) VALUES ${rows.join(', ')}`, values);
    }
  }

  /** Forgets everything about the target: it was dropped and is made anew. */
  async forget(session: Session): Promise<void> {
    await session.write(`DELETE FROM ${quotedTable(this.table)} WHERE target = $1`, [this.targetText()]);
  }

  private valuesOf(object: LoadObject, batch: string): unknown[] {
    const { url, write_id, crc32, bytes, rows, chain, generation = null, run_id } = object;
    const where = [this.targetText(), url, write_id, crc32];
    return [...where, bytes, rows ?? 0, chain, generation, batch, run_id.slice(0, 100)];
  }

  private targetText(): string {
    return `${this.target.schema}.${this.target.table}`;
  }
}

/** The objects below a prefix that a ledger has, for whichever target. */
export async function urlsInLedger(session: Session, ledger: Table, prefix: string): Promise<string[]> {
  const sql = `SELECT DISTINCT url FROM ${quotedTable(ledger)} WHERE left(url, $1) = $2`;
  const rows = await session.read<{ url: string }>(sql, [prefix.length, prefix]);
  return rows.map(({ url }) => url);
}

function* slices(objects: readonly LoadObject[]): Generator<readonly LoadObject[]> {
  for (let at = 0; at < objects.length; at += AT_ONCE) yield objects.slice(at, at + AT_ONCE);
}

/**
 * True when an entry speaks of this very object: the same write, or the same name and content. One that the same
 * chain committed again later is another load: between the two lies a reset, and a reset means "once more".
 */
function isSame(entry: Entry, object: LoadObject): boolean {
  const { chain, generation } = object;
  const sameChain = chain !== null && chain === entry.chain && generation !== undefined && entry.generation !== null;
  if (sameChain && generation > Number(entry.generation)) return false;
  if (entry.write_id === object.write_id) return true;
  return entry.crc32 === object.crc32 && Number(entry.bytes) === object.bytes;
}
