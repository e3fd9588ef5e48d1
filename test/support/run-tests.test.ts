/** `make test` on one file that passes, fails, leaves a process, warns, dies: last line, status, and what it says. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t from 'tap';

t.setTimeout(120_000);

const runner = fileURLToPath(new URL('run-tests.js', import.meta.url));
const fixture = fileURLToPath(new URL('../fixture/test-file.js', import.meta.url));

async function runOne(way: string): Promise<{ code: number; last: string; said: string }> {
  const child = spawn(process.execPath, [runner, fixture], { env: { ...process.env, FIXTURE_WAY: way } });
  let [stdout, said] = ['', ''];
  child.stdout.on('data', (chunk) => (stdout += String(chunk)));
  child.stderr.on('data', (chunk) => (said += String(chunk)));
  const [code] = (await once(child, 'close')) as [number];
  return { code, last: stdout.trimEnd().split('\n').at(-1) ?? '', said: stdout + said };
}

t.test('a file that passes', async (t) => {
  t.match(await runOne('pass'), { code: 0, last: '1 passed, 0 failed' });
});

t.test('a failure is told once, with its path, its place and the difference', async (t) => {
  const { code, last, said } = await runOne('fail');
  t.match({ code, last }, { code: 1, last: '1 passed, 1 failed' });
  t.match(said, /not ok: .*test-file\.js > outer > one is two \(.*test-file\.ts:[0-9]+\)\n--- expected\n/);
});

t.test('a process that is left running is a failure, and is ended', async (t) => {
  const { code, last, said } = await runOne('leave');
  t.match({ code, last }, { code: 1, last: '1 passed, 1 failed' });
  t.match(said, /left a process running: sleep 60/);
});

t.test('a warning of the process is a failure', async (t) => {
  const { code, said } = await runOne('warn');
  t.equal(code, 1);
  t.match(said, /something leaks/);
});

t.test('a file that dies is a failure', async (t) => {
  const { code, said } = await runOne('die');
  t.equal(code, 1);
  t.match(said, /not ok: .*test-file\.js > /);
});
