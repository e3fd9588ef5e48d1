/** The scene of the kill tests on the double of Redshift: the double in the test's own process, objects in S3. */
import { readFile } from 'node:fs/promises';
import pg from 'pg';
import type { Test } from 'tap';
import { type Cluster, ROLE, startCluster } from '../redshift-double/cluster.js';
import type { LogEntry } from '../support/redshift-double/statement-log.js';
import { servers } from '../support/servers.js';
import type { Scene } from './rs-copy-kill.js';

export interface RedshiftScene extends Scene {
  cluster: Cluster;
  other: NonNullable<Scene['other']>;
  /** Sessions that loaded into a table and left in the middle of a transaction. */
  leftInTransaction(table: string): number;
}

export async function redshiftScene(t: Test, folder: string): Promise<RedshiftScene> {
  const cluster = await startCluster(t);
  const schema = 'killed';
  await cluster.sql(`CREATE SCHEMA ${schema}`);
  // Several loads are looked at at the same time.
  const sql = new pg.Pool({ connectionString: cluster.double.url, allowExitOnIdle: true });
  sql.on('error', () => {});
  const manifests = `s3://${cluster.bucket}/${cluster.prefix}manifests/`;
  return {
    cluster,
    sql,
    folder,
    schema,
    leftInTransaction: (table) => openSessions(cluster.double.log(), `_tablepipe_ledger_${table}`),
    other: {
      url: `${cluster.double.url.replace('postgres:', 'redshift:')}?sslmode=disable`,
      env: { ...servers().aws, TABLEPIPE_IAM_ROLE: ROLE, TABLEPIPE_MANIFEST_PREFIX: manifests },
      async publish(receipt) {
        const path = receipt.url.slice('file://'.length);
        return { ...receipt, url: await cluster.put(path.slice(folder.length + 1), await readFile(path)) };
      },
    },
  };
}

function openSessions(log: readonly LogEntry[], ledger: string): number {
  const ours = new Set(log.filter(({ text }) => text.includes(`"${ledger}"`)).map(({ session }) => session));
  const open = new Set<number>();
  for (const { session, verb } of log) {
    if (verb === 'begin' && ours.has(session)) open.add(session);
    else if (verb === 'commit' || verb === 'rollback') open.delete(session);
  }
  return open.size;
}
