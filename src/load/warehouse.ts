/**
 * What a load asks of a warehouse. The order of events (transaction.ts) is the same for PostgreSQL and Redshift;
 * everything the two do differently is behind this interface, one file per warehouse.
 */
import type { RecordBatch } from 'apache-arrow';
import type { Conversion } from '../column/fit.js';
import type { Footer } from '../codec/parquet-footer.js';
import type { SourceColumn } from '../column/source-column.js';
import type { Failure } from '../errors.js';
import type { Receipt } from '../receipt.js';
import type { NameRules, Table } from './name.js';

/** A connection on which statements run one after the other. */
export interface Session {
  /** True when `write` prints instead of running: nothing may be changed in any other way either. */
  readonly dry: boolean;
  /** True until the connection is lost. */
  readonly alive: boolean;
  /** Rows of a statement that changes nothing. */
  read<Row extends object>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Runs a statement that changes something; resolves to the rows it affected. */
  write(sql: string, values?: readonly unknown[]): Promise<number>;
  /** COPY … FROM STDIN; resolves to the rows the server counted. */
  copyIn(sql: string, chunks: AsyncIterable<Uint8Array>): Promise<number>;
  end(): Promise<void>;
}

/** A column of a table in the warehouse. */
export interface TargetColumn {
  name: string;
  /** As the server spells it. */
  type: string;
  nullable: boolean;
  /** Has a default, is generated or counts up on its own. */
  filled: boolean;
}

export interface TargetTable {
  columns: readonly TargetColumn[];
  /** Sets of columns the server itself keeps unique; the first is the primary key when there is one. */
  unique: readonly (readonly string[])[];
}

/** Where the values of a file's column go. */
export interface Placement extends Conversion {
  /** The column's type: as it is, or as it is to be created. */
  type: string;
}

export interface PlannedColumn extends Placement {
  source: SourceColumn;
  /** Its name in the warehouse. */
  name: string;
  /** Whether the column of a new table may hold NULL. */
  nullable: boolean;
}

export type Mode = 'append' | 'upsert' | 'replace';

/** What will happen to one table, and the columns of the files that go into it. */
export interface TablePlan {
  target: Table;
  mode: Mode;
  exists: boolean;
  columns: readonly PlannedColumn[];
  /** Names in the warehouse of the columns that tell rows apart; empty when nothing does. */
  key: readonly string[];
  /** True when the server keeps exactly these columns unique. */
  enforced: boolean;
  /** Names in the warehouse of the cursor columns: the order among versions of a row. */
  cursor: readonly string[];
  /** Column that marks rows missing from a snapshot, instead of deleting them. */
  softDelete: string | null;
  /** Statements that make or change the table, each to be run on its own. */
  ddl: readonly string[];
}

/** An object a receipt speaks of, opened. */
export interface LoadFile {
  receipt: Receipt;
  columns: readonly SourceColumn[];
  /** Rows its footer counts. */
  rows: number;
  footer: Footer;
  /** Its rows, a row group at a time. */
  batches(): AsyncIterable<RecordBatch>;
  close(): Promise<void>;
}

/** Opens the object of a receipt; 65 when it is not the one the receipt speaks of. */
export type OpenFile = (receipt: Receipt) => Promise<LoadFile>;

export interface Staged {
  /** The staging table, quoted. */
  table: string;
  /** Rows in it, as the server counted them. */
  rows: number;
  /** Rows per receipt, in their order, where the server counts them apart. */
  counts?: readonly number[];
  /** Where they came from, to name one that is refused later. */
  origin?: { receipts: readonly Receipt[]; open: OpenFile };
}

/** Something a load would refuse, and what to do about it. */
export interface Refusal {
  problem: string;
  cure: string;
}

export interface Warehouse {
  readonly dialect: 'postgres' | 'redshift';
  readonly names: NameRules;
  /** True when a primary key keeps rows apart; on Redshift it is only a promise. */
  readonly enforcesKeys: boolean;
  /** A new connection, ready for a transaction. */
  open(): Promise<Session>;
  /** Statements that create the ledger, each on its own; none fails because another session does the same. */
  ledgerDdl(ledger: Table): readonly string[];
  /** Statements, in a transaction, after which no other loader of this ledger goes on until it ends. */
  lockLedger(ledger: Table): readonly string[];
  /** True when reading a ledger that another loader has locked waits for it, and without a limit. */
  readonly readersWait: boolean;
  /** The expression for "at this moment" in a value list. */
  readonly now: string;
  hasSchema(session: Session, schema: string): Promise<boolean>;
  /** The table, or undefined; 78 for a view or anything else rows cannot be loaded into. */
  describe(session: Session, table: Table): Promise<TargetTable | undefined>;
  /**
   * Where a column goes. `target` is the type of the column that is there, if any; `cast` is the type a person asked
   * for, or true where any conversion is allowed.
   */
  place(source: SourceColumn, target: string | undefined, cast: string | boolean): Placement;
  /** CREATE TABLE for planned columns. */
  createTable(plan: Omit<TablePlan, 'ddl'>): string;
  /** Statements that let a column take wider values, or NULL; empty when the server cannot or need not. */
  widen(table: Table, column: PlannedColumn, target: TargetColumn): readonly string[];
  /**
   * Loads without a staging table where that gives the same rows, the table's own statements included; undefined,
   * with nothing changed, where it would not.
   */
  direct?(session: Session, plan: TablePlan, receipts: readonly Receipt[], open: OpenFile): Promise<Staged | undefined>;
  /** Creates the staging table and fills it with the rows of the objects, in their order. */
  stage(session: Session, plan: TablePlan, receipts: readonly Receipt[], open: OpenFile): Promise<Staged>;
  /** Brings the staged rows into the target and drops the staging table; resolves to the rows inserted or updated. */
  merge(session: Session, plan: TablePlan, staged: Staged): Promise<number>;
  /** What a load of the file would refuse, beyond what the plan says: from its footer alone, nothing is changed. */
  check?(file: LoadFile, plan: TablePlan, existing: TargetTable | undefined): Promise<readonly Refusal[]>;
  /** True for an error after which the whole transaction can be run again. */
  retryable(error: unknown): boolean;
  failure(error: unknown, doing: string): Failure;
}
