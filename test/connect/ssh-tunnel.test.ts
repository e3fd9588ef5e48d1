/** The tunnel over a real sshd: keys and known_hosts as in ~/.ssh, and what is refused. */
import { createHmac } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import t from 'tap';
import { knownKeys } from '../../src/connect/known-hosts.js';
import { scratch, taken } from '../plan/scratch.js';
import { type Ended, demandCode, run } from '../support/program.js';
import { servers } from '../support/servers.js';
import { startSshd } from '../support/sshd.js';

t.setTimeout(120_000);
const folder = mkdtempSync(join(tmpdir(), 'tunnel-'));
chmodSync(folder, 0o755);
const home = join(folder, 'home');
mkdirSync(join(home, '.ssh'), { recursive: true });
const sshd = await startSshd({ folder: join(folder, 'sshd'), say: () => {} });
const db = await scratch('tunnel');
t.teardown(async () => {
  await sshd.stop();
  await db.drop();
  rmSync(folder, { recursive: true, force: true });
});
await db.run('CREATE TABLE far (id INT PRIMARY KEY)');
await db.run('INSERT INTO far SELECT seq FROM seq_1_to_50000');

const key = join(home, '.ssh', 'key');
writeFileSync(key, readFileSync(sshd.keyFile), { mode: 0o600 });
const settings = (text: string, hosts = sshd.hostLine): void => {
  writeFileSync(join(home, '.ssh', 'config'), text);
  writeFileSync(join(home, '.ssh', 'known_hosts'), `${hosts}\n`);
};
const BASTION = `Host bastion\n  HostName 127.0.0.1\n  Port ${sshd.port}\n  User ${sshd.user}\n  IdentityFile ~/.ssh/key\n`;

function through(ssh: string, more: readonly string[] = []): Promise<Ended> {
  const words = [`${db.name}.far`, '--cursor', 'none', '--format', 'ndjson', '--ssh', ssh, ...more];
  return run('mysql-extract', words, { env: { TABLEPIPE_MYSQL_URL: servers().mysqlUrl, HOME: home } });
}

t.test('a host of ~/.ssh/config, its key checked against known_hosts', async (t) => {
  settings(BASTION);
  const ended = demandCode(await through('bastion'));
  t.equal(taken(ended.stdout.toString()).rows.length, 50000);
  settings(`IdentityFile ${key}\n`);
  demandCode(await through(`${sshd.user}@127.0.0.1:${sshd.port}`, ['--limit', '1']));
});

t.test('through one bastion to the next', async (t) => {
  settings(
    `${BASTION}Host inner\n  HostName 127.0.0.1\n  Port ${sshd.port}\n  User ${sshd.user}\n  IdentityFile ~/.ssh/key\n  ProxyJump bastion\n`,
  );
  demandCode(await through('inner', ['--limit', '1']));
  t.end();
});

t.test('an unknown host, another key, a refused login, no bastion: 77, 77, 77, 75', async (t) => {
  settings(BASTION, '');
  t.match(await through('bastion'), { code: 77, stderr: /not in known_hosts.*ssh -p/s });
  const other = ssh2.utils.generateKeyPairSync('ed25519').public;
  settings(BASTION, `[127.0.0.1]:${sshd.port} ${other}`);
  t.match(await through('bastion'), { code: 77, stderr: /another SSH key/ });
  settings(BASTION, `@revoked ${sshd.hostLine}`);
  t.match(await through('bastion'), { code: 77 });
  settings(BASTION.replace('~/.ssh/key', '~/.ssh/absent'));
  t.match(await through('bastion'), { code: 77, stderr: /ssh-add/ });
  settings(BASTION.replace(/Port .*/, 'Port 9'));
  t.match(await through('bastion'), { code: 75 });
  t.match(await through('-oProxyCommand=x'), { code: 64 });
});

t.test('the bastion goes away in the middle: a pause', async (t) => {
  settings(BASTION);
  const reading = run(
    'mysql-extract',
    [`${db.name}.far`, '--cursor', 'none', '--format', 'ndjson', '--ssh', 'bastion', '--batch-size', '5000'],
    {
      env: {
        TABLEPIPE_MYSQL_URL: servers().mysqlUrl,
        HOME: home,
        TABLEPIPE_UNSAFE_FAILPOINTS: 'mysql-extract.after-page=delay:2500@3',
      },
    },
  );
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  await sshd.kill();
  await sshd.restart();
  const ended = demandCode(await reading);
  t.same(
    taken(ended.stdout.toString()).rows.map((row) => row.id),
    Array.from({ length: 50000 }, (_, i) => i + 1),
  );
});

t.test('known_hosts: plain, with a port, hashed, negated, wildcards', (t) => {
  const line = (hosts: string): string => `${hosts} ssh-ed25519 AAAA`;
  const known = (text: string, host: string, port = 22): number => knownKeys(text, host, port).length;
  t.equal(known(line('db,other'), 'other'), 1);
  t.equal(known(line('[db]:2222'), 'db', 2222), 1);
  t.equal(known(line('db'), 'db', 2222), 0);
  t.equal(known(line('*.example.com,!bad.example.com'), 'good.example.com'), 1);
  t.equal(known(line('*.example.com,!bad.example.com'), 'bad.example.com'), 0);
  const salt = Buffer.alloc(20, 7);
  const hashed = `|1|${salt.toString('base64')}|${createHmac('sha1', salt).update('[db]:2222').digest('base64')}`;
  t.equal(known(line(hashed), 'db', 2222), 1);
  t.equal(known(line(hashed), 'db'), 0);
  t.equal(known('# db ssh-ed25519 AAAA\n@cert-authority db ssh-ed25519 AAAA', 'db'), 0);
  t.end();
});
