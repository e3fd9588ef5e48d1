/**
 * Debian packages without installing them: apt resolves and downloads, dpkg-deb unpacks into a folder of ours.
 * No root, no service started, no user made, nothing changed on the machine.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cached } from './cache.js';
import { runCommand } from './run-command.js';

export interface PrefixPlan {
  /** Names the folder in the cache. */
  name: string;
  /** `host` takes the machine's own suite and counts what is installed; any other is complete in itself. */
  suite: string;
  packages: readonly string[];
  /** Told before the minutes that a first download may take. */
  say: (line: string) => void;
}

/** The root folder of the unpacked packages. Rejects, saying what to install, where apt cannot deliver them. */
export async function debianPrefix(plan: PrefixPlan): Promise<string> {
  const folder = await cached(`${plan.name}-${plan.suite}`, async (building) => {
    plan.say(
      `downloading ${plan.packages.join(', ')} (Debian ${plan.suite === 'host' ? 'packages of this machine' : plan.suite})`,
    );
    try {
      await fill(building, plan);
    } catch (error) {
      throw new Error(
        `cannot download ${plan.packages.join(' ')} with apt.\n` +
          'Needed: Debian or a relative of it, with a mirror in its sources and a network; or install these packages yourself.',
        { cause: error },
      );
    }
  });
  return join(folder, 'root');
}

async function fill(base: string, { suite, packages }: PrefixPlan): Promise<void> {
  for (const folder of ['state/lists/partial', 'cache/archives/partial', 'root', 'debs'])
    mkdirSync(join(base, folder), { recursive: true });
  writeFileSync(join(base, 'apt.conf'), await configuration(base, suite));
  const env = { PATH: `${process.env.PATH}:/usr/sbin:/sbin`, LC_ALL: 'C', APT_CONFIG: join(base, 'apt.conf') };
  await runCommand('apt-get', ['-q', 'update'], { env });
  const plan = await runCommand('apt-get', ['install', '-s', '--no-install-recommends', ...packages], { env });
  const names = [...plan.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name as string);
  await runCommand('apt-get', ['-q', 'download', ...names], { env, cwd: join(base, 'debs') });
  for (const deb of readdirSync(join(base, 'debs')))
    await runCommand('dpkg-deb', ['-x', join(base, 'debs', deb), join(base, 'root')], { env });
  for (const folder of ['debs', 'cache', 'state']) rmSync(join(base, folder), { recursive: true });
}

/** An apt that works in `base`. A testing suite may be past its Valid-Until on a slow mirror, so that is not asked. */
async function configuration(base: string, suite: string): Promise<string> {
  const lines = [
    `Dir::State "${base}/state";`,
    `Dir::Cache "${base}/cache";`,
    'APT::Sandbox::User "";',
    'Acquire::Check-Valid-Until "false";',
  ];
  if (suite === 'host') return [...lines, 'Dir::State::status "/var/lib/dpkg/status";', ''].join('\n');
  const targets = await runCommand('apt-get', ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages']);
  const mirror = targets.split('\n').find((uri) => uri !== '' && !uri.includes('security'));
  if (mirror === undefined) throw new Error('apt knows no mirror: its sources are empty');
  const source = `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror} ${suite} main\n`;
  writeFileSync(join(base, 'sources.list'), source);
  writeFileSync(join(base, 'status'), '');
  lines.push(`Dir::State::status "${base}/status";`, `Dir::Etc::sourcelist "${base}/sources.list";`);
  return [...lines, 'Dir::Etc::sourceparts "/dev/null";', ''].join('\n');
}

/** Where Debian keeps libraries for this processor. */
export function libraryFolders(root: string): string[] {
  const triplet = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  return [join(root, 'usr/lib', triplet), join(root, 'lib', triplet)];
}
