/** A real object store for the tests: Ceph's RADOS gateway over one monitor and one disk daemon, from a private prefix. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { giveTo, serverAccount } from './account.js';
import { type Daemon, type DaemonPlan, startDaemon } from './daemon.js';
import { answers, freePort } from './port.js';
import { debianPrefix, libraryFolders } from './prefix.js';
import { runCommand } from './run-command.js';
import type { S3Server } from './s3-server.js';
import type { ServerSettings } from './server.js';

const CLUSTER = '11111111-2222-3333-4444-555555555555';
const DISK = '22222222-2222-3333-4444-555555555555';
const KEYS = { accessKeyId: 'tablepipe', secretAccessKey: 'tablepipe-secret' };

/** Runs one of Ceph's programs: they need a newer C library than the machine's, so each starts through its own loader. */
type Launch = (program: string, ...args: string[]) => { command: string[]; env: NodeJS.ProcessEnv };

/**
 * Makes a cluster and a user, about 6 seconds; the first time on a machine it downloads 130 MB. What was
 * acknowledged survives SIGKILL of all three daemons. Idle it holds about 250 MB of memory.
 */
export async function startCeph(settings: ServerSettings): Promise<S3Server> {
  const { folder, say } = settings;
  const account = serverAccount();
  const packages = ['ceph-mon', 'ceph-osd', 'radosgw', 'ceph-common'];
  const root = await debianPrefix({ name: 'ceph', suite: 'forky', packages, say });
  for (const each of ['', 'run', 'mon', 'osd', 'rgw']) {
    mkdirSync(join(folder, each), { recursive: true });
    giveTo(join(folder, each), account);
  }
  const monitor = await freePort();
  const [messenger, port] = [await freePort(64), await freePort()];
  const launch = launcher(root, folder);
  writeFileSync(join(folder, 'ceph.conf'), configuration(root, folder, monitor, messenger));

  const once = (program: string, ...args: string[]): Promise<string> => {
    const { command, env } = launch(program, ...args);
    return runCommand(command[0] as string, command.slice(1), { cwd: folder, env, account, timeoutMs: 60_000 });
  };
  /** A command to the monitor, again when it comes before the client knows the cluster's id ("wrong fsid", EPERM). */
  const command = async (...args: string[]): Promise<void> => {
    for (let tries = 1; ; tries += 1) {
      try {
        await once('ceph', ...args);
        return;
      } catch (error) {
        if (tries === 10 || !String(error).includes('EPERM')) throw error;
      }
    }
  };
  const daemonOf = (program: string, ready: DaemonPlan['ready'], ...args: string[]): Promise<Daemon> =>
    startDaemon({
      name: program,
      ...launch(program, ...args),
      cwd: folder,
      log: join(folder, `${program}.out`),
      ready,
      account,
      outlives: settings.outlives ?? false,
    });
  const startMonitor = (): Promise<Daemon> => daemonOf('ceph-mon', () => answers(monitor), '-i', 'a', '-f');
  const startDisk = (): Promise<Daemon> =>
    daemonOf('ceph-osd', (logged) => logged.includes('done with init'), '-i', '0', '-f');
  // Without tcp_nodelay every answer with a body waits 40 ms for the client's delayed acknowledgement.
  const frontend = `--rgw_frontends=beast endpoint=127.0.0.1:${port} tcp_nodelay=1`;
  const startGateway = (): Promise<Daemon> =>
    daemonOf('radosgw', () => answers(port), '-n', 'client.rgw', '-f', frontend);

  let up: Daemon[] = [];
  const kill = async (): Promise<void> => {
    await Promise.all(up.map((daemon) => daemon.kill()));
    up = [];
  };
  const restart = async (): Promise<void> => {
    await kill();
    for (const start of [startMonitor, startDisk, startGateway]) up.unshift(await start());
  };
  try {
    const map = join(folder, 'monmap');
    await once('monmaptool', '--create', '--addv', 'a', `[v1:127.0.0.1:${monitor}]`, '--fsid', CLUSTER, map);
    await once('ceph-mon', '--mkfs', '-i', 'a', '--monmap', map);
    up.unshift(await startMonitor());
    await command('osd', 'new', DISK);
    await command('osd', 'crush', 'add', 'osd.0', '1.0', 'root=default', 'host=here');
    await once('ceph-osd', '-i', '0', '--osd-uuid', DISK, '--mkfs');
    for (const start of [startDisk, startGateway]) up.unshift(await start());
    const user = ['--uid=tablepipe', '--display-name=tablepipe'];
    const secrets = [`--access-key=${KEYS.accessKeyId}`, `--secret-key=${KEYS.secretAccessKey}`];
    await once('radosgw-admin', '-n', 'client.rgw', 'user', 'create', ...user, ...secrets);
    const version = (await once('radosgw', '--version')).split(' ')[2] ?? '';
    return {
      label: `Ceph RGW ${version}`,
      port,
      endpoint: `http://127.0.0.1:${port}`,
      ...KEYS,
      keepsData: true,
      pids: () => up.map((daemon) => daemon.pid),
      kill,
      restart,
      async stop() {
        // The gateway first: it hangs for good when its cluster leaves before it.
        for (const daemon of up) await daemon.stop(1_000);
        up = [];
      },
    };
  } catch (error) {
    await kill();
    throw error;
  }
}

function launcher(root: string, folder: string): Launch {
  const libraries = libraryFolders(root)[0] as string;
  const loader = join(libraries, process.arch === 'arm64' ? 'ld-linux-aarch64.so.1' : 'ld-linux-x86-64.so.2');
  const start = [loader, '--library-path', `${libraries}:${libraries}/ceph`];
  const config = ['-c', join(folder, 'ceph.conf')];
  const python = {
    PYTHONHOME: join(root, 'usr'),
    PYTHONPATH: join(root, 'usr/lib/python3/dist-packages'),
    PYTHONDONTWRITEBYTECODE: '1',
  };
  return (program, ...args) => {
    const file = join(root, 'usr/bin', program);
    // The one program of the cluster that is a script.
    const command = program === 'ceph' ? [join(root, 'usr/bin/python3'), '-W', 'ignore', file] : [file];
    const env = { PATH: process.env.PATH, ...(program === 'ceph' ? python : {}) };
    return { command: [...start, ...command, ...(program === 'monmaptool' ? [] : config), ...args], env };
  };
}

/** One of everything, no authentication inside; the paxos and heartbeat lines turn a start of 13 s into one of 5 s. */
function configuration(root: string, folder: string, monitor: number, messenger: number): string {
  const libraries = libraryFolders(root)[0] as string;
  return `[global]
fsid = ${CLUSTER}
mon host = v1:127.0.0.1:${monitor}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
ms bind msgr2 = false
ms bind port min = ${messenger}
ms bind port max = ${messenger + 63}
osd pool default size = 1
osd pool default min size = 1
mon allow pool size one = true
osd crush chooseleaf type = 0
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
paxos propose interval = 0.05
paxos min wait = 0.02
mon tick interval = 1
osd heartbeat interval = 1
mgr initial modules =
run dir = ${folder}/run
log to file = false
log to stderr = true
err to stderr = true
plugin dir = ${libraries}/ceph
erasure code dir = ${libraries}/ceph/erasure-code
osd class dir = ${libraries}/rados-classes
# A disk that is new places itself, with commands that can reach the monitor before the disk knows the cluster's
# id; it is told "wrong fsid" and gives up. So it is placed by a command of ours.
osd class update on start = false
osd crush update on start = false
osd class load list = *
osd class default list = *
[mon]
mon data = ${folder}/mon
mon initial members = a
mon data avail warn = 1
mon data avail crit = 0
[osd]
osd data = ${folder}/osd
osd objectstore = bluestore
# A sparse file.
bluestore block size = 21474836480
bluestore cache size = 67108864
osd memory target = 939524096
[client]
rgw data = ${folder}/rgw
rgw dynamic resharding = false
rgw override bucket index max shards = 1
rgw run sync thread = false
rgw enable lc threads = false
`;
}
