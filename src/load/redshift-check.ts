/**
 * What COPY, or the INSERT behind it, would refuse of a file: told from its footer and the plan, before anything is
 * started (reference/redshift.md 1.2 to 1.6). What depends on values the footer does not tell is left to the server.
 */
import type { ColumnPart } from '../codec/parquet-row-group.js';
import { chunkForm, storedColumns } from '../codec/parquet-stored.js';
import { statisticsOf } from '../codec/parquet-statistics.js';
import { type StoredColumn, copyVerdict, decimalBytes, storageText } from '../column/redshift-parquet.js';
import { partsOf } from '../column/fit.js';
import { canonicalRedshift } from '../column/redshift-fit.js';
import type { LoadFile, PlannedColumn, Refusal, TablePlan, TargetTable } from './warehouse.js';

const CODECS = new Set(['none', 'snappy', 'gzip', 'zstd']);
const ENCODINGS = new Set(['PLAIN', 'RLE', 'BIT_PACKED', 'PLAIN_DICTIONARY', 'RLE_DICTIONARY']);
/** Most columns of a table. */
const COLUMNS = 1_600;
const REWRITE = 'Write the file with to-parquet --target redshift.';

/** One entry for each thing that would be refused; empty when nothing is known against the file. */
export function redshiftRefusals(file: LoadFile, plan: TablePlan, existing: TargetTable | undefined): Refusal[] {
  const stored = storedColumns(file.footer);
  const refusals: Refusal[] = [];
  const total = new Set([...(existing?.columns ?? []), ...plan.columns].map(({ name }) => name)).size;
  if (total > COLUMNS) {
    refusals.push({ problem: `the table would have ${total} columns, at most ${COLUMNS} are possible`, cure: LEAVE });
  }
  if (stored.length !== plan.columns.length) {
    const problem = `the file has ${stored.length} columns, COPY would list ${plan.columns.length}`;
    return [...refusals, { problem, cure: REWRITE }];
  }
  // Made once: a wide file has many chunks.
  const groups = file.footer.rowGroups.map(({ columns }) => new Map(columns.map((part) => [part.path, part])));
  plan.columns.forEach((column, at) => {
    const one = stored[at] as StoredColumn;
    const there = existing?.columns.find(({ name }) => name === column.name);
    refusals.push(...typeRefusals(one, column));
    refusals.push(...chunkRefusals(groups, file.rows, one, column, there ? there.nullable : column.nullable));
  });
  return refusals;
}

const LEAVE = 'Leave columns out with mysql-extract --columns.';

function typeRefusals(stored: StoredColumn, { name, staging }: PlannedColumn): Refusal[] {
  const type = canonicalRedshift(staging);
  const verdict = copyVerdict(stored, type);
  if (verdict === 'loads') return [];
  const { args } = partsOf(type);
  const [precision = 0, scale = 0] = args;
  const { note, fixedBytes } = stored;
  if (type.startsWith('DECIMAL(') && note.kind === 'decimal' && verdict === 'refused') {
    const wanted = decimalBytes(precision);
    const problem =
      note.scale === scale
        ? `${name} takes ${fixedBytes} bytes a value in the file, COPY wants ${wanted} for ${type}`
        : `${name} has ${note.scale} digits after the point in the file, ${scale} as ${type}`;
    return [{ problem, cure: REWRITE }];
  }
  const refused = verdict === 'refused' ? 'COPY does not load that' : 'nobody has seen COPY load that';
  return [{ problem: `${name} is ${storageText(stored)} in the file, ${refused} into ${type}`, cure: REWRITE }];
}

/** Packing, lengths and NULLs, as far as each row group's statistics go. Each is said once. */
function chunkRefusals(
  groups: readonly ReadonlyMap<string, ColumnPart>[],
  rows: number,
  stored: StoredColumn,
  { name, staging, source }: PlannedColumn,
  nullable: boolean,
): Refusal[] {
  if (stored.nested) return [];
  const found = new Map<string, Refusal>();
  const refuse = (about: string, problem: string, cure: string): void => void found.set(about, { problem, cure });
  const type = canonicalRedshift(staging);
  const [room = 0] = /^(?:VARCHAR|VARBYTE|CHAR)\(/.test(type) ? partsOf(type).args : [];
  let longest = 0;
  let nulls = 0;
  for (const group of groups) {
    const part = group.get(stored.name);
    if (!part) continue;
    const { codec, encodings, pageV2 } = chunkForm(part);
    if (!CODECS.has(codec))
      refuse('codec', `${name} is compressed with ${codec}, which nobody has seen COPY load`, REWRITE);
    const odd = encodings.find((encoding) => !ENCODINGS.has(encoding));
    if (odd !== undefined) refuse('encoding', `${name} is encoded as ${odd}, which nobody has seen COPY load`, REWRITE);
    if (pageV2) refuse('page', `${name} has data pages of version 2, which nobody has seen COPY load`, REWRITE);
    const told = statisticsOf(part, source.arrow);
    nulls += told.nulls ?? 0;
    const bytes = stored.note.kind === 'none' ? 0.5 : 1;
    for (const value of [told.min, told.max]) longest = Math.max(longest, Buffer.byteLength(value ?? '') * bytes);
  }
  if (room > 0 && stored.physical === 'BYTE_ARRAY' && longest > room) {
    refuse('length', `${name} has a value of ${longest} bytes or more, ${type} has room for ${room}`, WIDEN);
  }
  if (nulls > 0 && !nullable) {
    refuse('null', `${name} is NULL in ${nulls} of ${rows} rows, and NOT NULL in the table`, ALLOW);
  }
  return [...found.values()];
}

const WIDEN = 'Widen the column, or add --evolve add.';
const ALLOW = 'Load into a table without that, or extract the rows that have a value.';
