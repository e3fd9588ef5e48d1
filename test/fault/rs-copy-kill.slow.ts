/** PostgreSQL: rs-copy killed, cut off and raced against itself. What it found is in RESULTS.md. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import t from 'tap';
import { servers } from '../support/servers.js';
import { ordeal } from './rs-copy-ordeal.js';

t.setTimeout(7_200_000);
const folder = mkdtempSync(join(tmpdir(), 'rs-copy-slow-'));
const schema = `rs_copy_slow_${process.pid}`;
/** Rounds at the same time ask at the same time. */
const sql = new pg.Pool({ connectionString: servers().warehouseUrl, max: 3 });
t.teardown(async () => {
  await sql.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
  await sql.end();
  rmSync(folder, { recursive: true, force: true });
});

await ordeal(t, { sql, folder, schema }, { bytes: 14_000, ms: 300 });
