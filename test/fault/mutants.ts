/**
 * Tests of the tests: each patch in `mutants/` breaks the toolkit on purpose, in a copy, and the tests it names must
 * turn red (reference: the ten broken builds of a reliable mover). A mutant that survives is a test that is missing.
 *
 *     node dist/test/fault/mutants.js [NAME ...]
 *
 * A patch begins with what it breaks, and lines `Tests: test/x.test.ts …`. The same tests are run on an unchanged
 * copy first: red there proves nothing.
 */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const PATCHES = join(ROOT, 'test/fault/mutants');

/** What a build needs besides node_modules. */
const COPIED = ['bin', 'src', 'test', 'package.json', 'tsconfig.json'];

interface Mutant {
  name: string;
  path: string;
  /** First line of the patch file. */
  breaks: string;
  tests: readonly string[];
}

interface Ran {
  ok: boolean;
  /** The last lines a person wants to see. */
  said: string;
}

async function mutants(names: readonly string[]): Promise<Mutant[]> {
  const files = (await readdir(PATCHES)).filter((file) => file.endsWith('.patch')).sort();
  const all = await Promise.all(
    files.map(async (file) => {
      const text = await readFile(join(PATCHES, file), 'utf8');
      const tests = [...text.matchAll(/^Tests: (.*)$/gm)].flatMap(([, list = '']) => list.split(' '));
      const breaks = text.split('\n', 1)[0] ?? '';
      return { name: basename(file, '.patch'), path: join(PATCHES, file), breaks, tests };
    }),
  );
  return all.filter(({ name }) => names.length === 0 || names.some((wanted) => name.startsWith(wanted)));
}

function run(command: string, words: readonly string[], cwd: string): Promise<Ran> {
  return new Promise((resolve) => {
    // Builds and tests share the machine with others: a slow test is not a red one.
    const env = { ...process.env, TAP_TIMEOUT: '240' };
    const options = { cwd, env, timeout: 300_000, maxBuffer: 64 << 20, killSignal: 'SIGKILL' as const };
    execFile(command, words, options, (error, stdout, stderr) => {
      const failed = stdout.split('\n').filter((line) => /^\s*not ok/.test(line));
      const said = (failed.length > 0 ? failed.slice(0, 1) : `${stdout}${stderr}`.trim().split('\n').slice(-5)).join(
        '\n',
      );
      resolve({ ok: error === null, said: said.trim() });
    });
  });
}

/** A build of its own in a temporary folder, patched when there is a patch. */
async function built(patch: string | undefined): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mutant-'));
  for (const name of COPIED) await cp(join(ROOT, name), join(folder, name), { recursive: true });
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  if (patch !== undefined)
    await demand(run('git', ['apply', '--whitespace=nowarn', patch], folder), `applying ${patch}`);
  await demand(
    run(process.execPath, ['node_modules/ts7/bin/tsc', '-p', '.'], folder),
    `building with ${patch ?? 'no patch'}`,
  );
  return folder;
}

async function demand(ran: Promise<Ran>, doing: string): Promise<void> {
  const { ok, said } = await ran;
  if (!ok) throw new Error(`${doing}: ${said}`);
}

/** Runs tests one after the other until one is red; resolves to what it said. */
async function firstRed(folder: string, tests: readonly string[]): Promise<string | undefined> {
  for (const test of tests) {
    const { ok, said } = await run(process.execPath, [join('dist', test.replace(/\.ts$/, '.js'))], folder);
    if (!ok) return `${test}: ${said}`;
  }
  return undefined;
}

async function withBuild<T>(patch: string | undefined, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await built(patch);
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const say = (line: string): void => void process.stdout.write(`${line}\n`);

const chosen = await mutants(process.argv.slice(2));
const needed = [...new Set(chosen.flatMap(({ tests }) => tests))];
const unchanged = await withBuild(undefined, (folder) => firstRed(folder, needed));
if (unchanged !== undefined) throw new Error(`red without any mutant: ${unchanged}`);
say(`unchanged: green in ${needed.length} test files`);
let survived = 0;
for (const { name, path, breaks, tests } of chosen) {
  const red = await withBuild(path, (folder) => firstRed(folder, tests));
  if (red === undefined) survived += 1;
  say(
    `${red === undefined ? 'SURVIVED' : 'caught'}: ${name} (${breaks})${red === undefined ? '' : ` by ${red.split('\n')[0]}`}`,
  );
}
say(`${chosen.length - survived} of ${chosen.length} mutants caught`);
process.exitCode = survived === 0 && chosen.length > 0 ? 0 : 1;
