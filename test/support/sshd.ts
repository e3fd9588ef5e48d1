/** A real sshd for the tests of the tunnel: Debian's openssh-server from a private prefix, as a process without rights. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { giveTo, loginAccount } from './account.js';
import { type Daemon, startDaemon } from './daemon.js';
import { freePort } from './port.js';
import { debianPrefix, libraryFolders } from './prefix.js';
import { type Server, type ServerSettings, soleProcess } from './server.js';

export interface Sshd extends Server {
  /** The only account that may log in: sshd without root can only become itself. */
  readonly user: string;
  /** The file with the private key that opens the door. */
  readonly keyFile: string;
  /** A line for known_hosts: `[127.0.0.1]:PORT ssh-ed25519 …`. */
  readonly hostLine: string;
}

/** Starts it; less than a tenth of a second once the prefix is there. */
export async function startSshd({ folder, say, outlives = false }: ServerSettings): Promise<Sshd> {
  const account = loginAccount();
  const root = await debianPrefix({ name: 'openssh', suite: 'host', packages: ['openssh-server'], say });
  const installed = '/usr/sbin/sshd';
  const packed = join(root, 'usr/sbin/sshd');
  const program = existsSync(packed) ? packed : installed;
  mkdirSync(folder, { recursive: true });
  giveTo(folder, account);
  const host = ssh2.utils.generateKeyPairSync('ed25519');
  const user = ssh2.utils.generateKeyPairSync('ed25519');
  const files: Record<string, string> = {
    hostkey: host.private,
    userkey: user.private,
    'userkey.pub': `${user.public}\n`,
  };
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    giveTo(join(folder, name), account);
  }
  const port = await freePort();
  writeFileSync(join(folder, 'sshd_config'), configuration(folder, port));
  const start = (): Promise<Daemon> =>
    startDaemon({
      name: 'sshd',
      command: [program, '-D', '-e', '-f', join(folder, 'sshd_config')],
      env: { PATH: process.env.PATH, LD_LIBRARY_PATH: libraryFolders(root).join(':') },
      cwd: folder,
      log: join(folder, 'sshd.log'),
      ready: (logged) => logged.includes('Server listening'),
      account,
      outlives,
    });
  const running = await soleProcess(start);
  return {
    label: 'OpenSSH sshd',
    port,
    user: account ? loginName(account.uid) : userInfo().username,
    keyFile: join(folder, 'userkey'),
    hostLine: `[127.0.0.1]:${port} ${host.public}`,
    ...running,
  };
}

function loginName(uid: number): string {
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
  return lines.find((line) => line.split(':')[2] === String(uid))?.split(':')[0] ?? 'daemon';
}

function configuration(folder: string, port: number): string {
  return `Port ${port}
ListenAddress 127.0.0.1
HostKey ${folder}/hostkey
PidFile none
AuthorizedKeysFile ${folder}/userkey.pub
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
AllowTcpForwarding yes
MaxStartups 100
MaxSessions 100
LogLevel VERBOSE
`;
}
