/** rs-copy over connections that fall silent at every place, with a way around it and without one. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { connectTarget } from '../support/servers.js';
import { redshiftScene } from './redshift-scene.js';
import { POSTGRES_PLACES, REDSHIFT_PLACES, silencedAt } from './silence.js';

t.setTimeout(600_000);
const folder = mkdtempSync(join(tmpdir(), 'silence-'));
const schema = `silence_${process.pid}`;
const sql = await connectTarget();
t.teardown(async () => {
  await sql.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
  await sql.end();
  rmSync(folder, { recursive: true, force: true });
});

t.test('PostgreSQL', (t) => silencedAt(t, { sql, folder, schema }, POSTGRES_PLACES));

t.test('the double of Redshift', async (t) => silencedAt(t, await redshiftScene(t, folder), REDSHIFT_PLACES));
