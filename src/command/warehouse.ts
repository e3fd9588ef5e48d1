/** The warehouse a command line names: for every program that loads into it or looks at it. */
import type { Invocation } from '../cli/command.js';
import type { Flag } from '../cli/flags.js';
import { parseChoice, parseDuration, parseTable } from '../cli/parse.js';
import { type WarehouseSettings, connectWarehouse, warehouseSettings } from '../connect/warehouse.js';
import type { Table } from '../load/name.js';
import type { Warehouse } from '../load/warehouse.js';
import { REDSHIFT_FLAGS } from './redshift-flags.js';

export const WAREHOUSE_FLAGS: readonly Flag[] = [
  {
    name: 'warehouse',
    value: 'URL',
    env: ['TABLEPIPE_WAREHOUSE_URL'],
    help: 'postgres:// or redshift:// URL; without one the PG* variables, service and password files are read',
  },
  { name: 'lock-timeout', value: 'TIME', default: '5m', help: 'how long to wait for another loader or a reader (75)' },
  {
    name: 'idle-timeout',
    value: 'TIME',
    default: '60s',
    help: 'silence after which a second connection asks whether the server still works (75); redshift: not before --lock-timeout',
  },
  { name: 'nul', value: 'POLICY', default: 'fail', help: 'NUL characters in text for postgres: fail or strip' },
  ...REDSHIFT_FLAGS,
  { name: 'show-values', help: 'let messages quote values of the table' },
];

/** The settings of the connection; contacts nothing. */
export function settingsOf({ flags, env, words }: Invocation): WarehouseSettings {
  const settings = warehouseSettings(flags.text('warehouse'), env, flags.typed('warehouse'));
  words.secret(settings.password);
  return settings;
}

/** The warehouse of a command line; contacts nothing. */
export async function openWarehouse(invocation: Invocation, settings: WarehouseSettings): Promise<Warehouse> {
  const { flags, signal, agent } = invocation;
  const lockMs = parseDuration(flags.text('lock-timeout') ?? '5m', '--lock-timeout');
  const idleMs = parseDuration(flags.text('idle-timeout') ?? '60s', '--idle-timeout');
  const nul = parseChoice(flags.text('nul') ?? 'fail', '--nul', ['fail', 'strip']);
  const showValues = flags.on('show-values');
  if (settings.dialect === 'redshift') {
    const { openRedshift } = await import('./redshift.js');
    return openRedshift(invocation, settings, { lockMs, idleMs });
  }
  const { Postgres } = await import('../load/postgres.js');
  const connect = (): ReturnType<typeof connectWarehouse> => connectWarehouse(settings, agent);
  return new Postgres({ connect, signal, lockMs, idleMs, nul, showValues });
}

/** `schema.table`, with backticks or double quotes around names that hold a dot. */
export function targetTable(text: string, what: string): Table {
  return parseTable(text, what);
}
