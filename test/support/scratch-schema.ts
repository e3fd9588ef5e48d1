/** A schema of the test warehouse and a folder for objects, both gone when the test file ends. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import type { Test } from 'tap';
import { connectTarget } from './servers.js';

export interface ScratchSchema {
  schema: string;
  folder: string;
  sql: pg.Client;
}

/** @param label letters for the name of the schema */
export async function scratchSchema(t: Test, label: string): Promise<ScratchSchema> {
  const folder = mkdtempSync(join(tmpdir(), `${label}-`));
  const schema = `${label}_${process.pid}`;
  const sql = await connectTarget();
  await sql.query(`CREATE SCHEMA ${schema}`);
  t.teardown(async () => {
    await sql.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
    await sql.end();
    rmSync(folder, { recursive: true, force: true });
  });
  return { schema, folder, sql };
}
