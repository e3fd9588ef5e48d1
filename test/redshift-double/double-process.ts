/** Starts the double as a process of its own over the test servers, for tests in which programs are killed. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import type { FaultName } from '../support/redshift-double/faults.js';
import { onServer, ROLE, testServers } from './cluster.js';

export interface DoubleProcess {
  /** `postgres://…` of the double. */
  url: string;
  /** The database behind it, for looking past the double. */
  behind: string;
  arm(fault: FaultName, times?: number): Promise<void>;
  /** Ends it and gives its exit status. */
  end(how: 'SIGTERM' | 'stdin'): Promise<number | null>;
}

export async function startDoubleProcess(t: Test): Promise<DoubleProcess> {
  const { warehouse, env } = testServers();
  const database = `double_${randomBytes(6).toString('hex')}`;
  await onServer(warehouse, `CREATE DATABASE ${database}`);
  const behind = new URL(warehouse);
  behind.pathname = `/${database}`;
  const main = fileURLToPath(new URL('../support/redshift-double/main.js', import.meta.url));
  const child = spawn(process.execPath, [main], {
    env: { ...env, TABLEPIPE_DOUBLE_POSTGRES: behind.href, TABLEPIPE_DOUBLE_ROLES: ROLE },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const exited = once(child, 'exit') as Promise<[number | null]>;
  const url = String((await lines.next()).value);
  const end = async (how: 'SIGTERM' | 'stdin'): Promise<number | null> => {
    if (how === 'stdin') child.stdin.end();
    else child.kill(how);
    return (await exited)[0];
  };
  t.teardown(async () => {
    if (child.exitCode === null) await end('SIGTERM');
    await onServer(warehouse, `DROP DATABASE ${database} WITH (FORCE)`);
  });
  return {
    url,
    behind: behind.href,
    end,
    async arm(fault, times = 1) {
      child.stdin.write(`${JSON.stringify({ fault, times })}\n`);
      await lines.next();
    },
  };
}
