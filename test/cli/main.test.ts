import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const program = fileURLToPath(new URL('../fixture/program.js', import.meta.url));

function start(words: string[], env: Record<string, string> = {}): ChildProcess {
  return spawn(process.execPath, [program, ...words], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

interface Ended {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

async function ended(child: ChildProcess): Promise<Ended> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk) => (stdout += String(chunk)));
  child.stderr?.on('data', (chunk) => (stderr += String(chunk)));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { code, signal, stdout, stderr };
}

const run = (words: string[], env: Record<string, string> = {}): Promise<Ended> => ended(start(words, env));

t.test('success is proven, everything else is 70', async (t) => {
  t.match(await run(['succeed']), { code: 0, stdout: 'done\n', stderr: '' });
  t.match(await run(['stall']), { code: 70, stderr: /ended without finishing/ });
  t.match(await run(['throw']), { code: 70, stderr: /error\[70 SOFTWARE\]: unexpected error \(surprise\)/ });
  t.match(await run(['throw-later']), { code: 70, stderr: /nobody caught this/ });
});

t.test('a failure says what, why, what to do and whether a rerun is safe, and hides secrets', async (t) => {
  const { code, stdout, stderr } = await run(['fail'], { FIXTURE_SECRET: 'tops3cret/' });
  t.equal(code, 75);
  t.equal(stdout, '');
  t.match(
    stderr,
    /^program: error\[75 TEMPFAIL\]: reading shop\.orders \(cannot reach .*\)\. Check the network\. Running the same line again is safe\.\n$/,
  );
  t.notMatch(stderr, /tops3cret/);
  t.notMatch(stderr, /\u001b/, 'escape sequences are made visible');
});

t.test('help and version are data; a wrong flag is words', async (t) => {
  const help = await run(['--help']);
  t.match(help, { code: 0, stderr: '', stdout: /Examples:\n {2}program succeed/ });
  t.match(help.stdout, /--secret S +never printed \(or \$FIXTURE_SECRET\)/);
  t.match(await run(['--version']), { code: 0, stdout: /^program \(tablepipe\) \d+\.\d+\.\d+\n$/ });
  t.match(await run(['--sekret=1']), {
    code: 64,
    stdout: '',
    stderr: /unknown flag --sekret\. Did you mean --secret\?/,
  });
});

t.test('a reader that leaves is 141, silently', async (t) => {
  const child = start(['flood']);
  child.stdout?.once('data', () => child.stdout?.destroy());
  const { code, stderr } = await ended(child);
  t.equal(code, 141);
  t.equal(stderr, '');
});

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  t.test(`${name} stops the command and the process dies by it`, async (t) => {
    const child = start(['wait']);
    child.stdout?.once('data', () => child.kill(name));
    const { signal, stderr } = await ended(child);
    t.equal(signal, name);
    t.match(stderr, /stopping/);
  });
}

t.test('a second signal kills a command that does not stop', async (t) => {
  const child = start(['wait-stubbornly']);
  const started = Date.now();
  child.stdout?.once('data', () => child.kill('SIGINT'));
  child.stderr?.once('data', () => child.kill('SIGINT'));
  t.equal((await ended(child)).signal, 'SIGINT');
  t.ok(Date.now() - started < 4_000, 'without waiting for the clean-up budget');
});

t.test('SIGUSR1 neither ends the process nor opens a debugger', async (t) => {
  const child = start(['wait']);
  child.stdout?.once('data', () => {
    child.kill('SIGUSR1');
    setTimeout(() => child.kill('SIGTERM'), 300);
  });
  const { signal, stderr } = await ended(child);
  t.equal(signal, 'SIGTERM');
  t.notMatch(stderr, /Debugger/);
});
