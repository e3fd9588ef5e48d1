/** What `~/.ssh/config` says about a host, and the files it names. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure, fileFailure, systemCode } from '../errors.js';

/** A host to log in to, everything resolved. */
export interface SshHost {
  /** As the user wrote it, for messages. */
  alias: string;
  host: string;
  port: number;
  user: string;
  /** Private keys, in order; those that do not exist are left out. */
  keys: readonly { path: string; pem: Buffer }[];
  agent?: string;
  knownHosts: string;
  /** False only where the user's own configuration says `StrictHostKeyChecking no`. */
  strict: boolean;
  jump?: SshHost;
}

export interface SshSettings {
  /** `[user@]host[:port]`. */
  destination: string;
  home: string;
  localUser: string;
  /** `SSH_AUTH_SOCK`. */
  agent?: string;
  /** Instead of ~/.ssh/config. */
  configFile?: string;
}

const DEFAULT_KEYS = ['id_ed25519', 'id_ecdsa', 'id_rsa'];

/** Bastions in a row; more is a loop. */
const JUMPS = 8;

/** Resolves a destination. 64 when it is malformed, 78 when the configuration cannot be used. */
export async function sshHost(settings: SshSettings, depth = 0): Promise<SshHost> {
  const { destination, home, localUser } = settings;
  const [, typedUser, alias, typedPort] =
    /^(?:([^@\s]+)@)?([^@:\s-][^@:\s]*|\[[^\]\s]+\])(?::([0-9]{1,5}))?$/.exec(destination) ?? [];
  if (alias === undefined) throw new Failure('usage', `--ssh ${destination}: expected [user@]host[:port]`);
  if (depth > JUMPS)
    throw new Failure('config', `--ssh ${destination}: ProxyJump leads through more than ${JUMPS} hosts`);
  const { default: Config } = await import('ssh-config');
  const file = settings.configFile ?? join(home, '.ssh', 'config');
  const text = optionalText(file, settings.configFile !== undefined);
  // ssh_config(5) has the name's own case; a Match with exec would run a program, which a config reader must not.
  const found = Config.parse(text.replaceAll(/^\s*match\b.*\bexec\b/gim, 'Match host none.invalid')).compute(alias, {
    ignoreCase: true,
  }) as Record<string, unknown>;
  const one = (name: string): string | undefined => [found[name.toLowerCase()] ?? []].flat().map(String)[0];
  const path = (raw: string): string => raw.replace(/^~(?=\/|$)/, home).replaceAll('%d', home);
  const identities = [found['identityfile'] ?? DEFAULT_KEYS.map((name) => `~/.ssh/${name}`)]
    .flat()
    .map(String)
    .map(path);
  const agent = one('IdentityAgent') ?? settings.agent;
  const jump = one('ProxyJump');
  return {
    alias: destination,
    host: one('HostName')?.replaceAll('%h', alias) ?? alias.replaceAll(/^\[|\]$/g, ''),
    port: Number(typedPort ?? one('Port') ?? 22),
    user: typedUser ?? one('User') ?? localUser,
    keys: identities.flatMap((each) => keyAt(each)),
    ...(agent === undefined || agent === 'none'
      ? {}
      : { agent: path(agent === 'SSH_AUTH_SOCK' ? (settings.agent ?? '') : agent) }),
    knownHosts: (one('UserKnownHostsFile') ?? '~/.ssh/known_hosts')
      .split(/\s+/)
      .map((each) => optionalText(path(each), false))
      .join('\n'),
    strict: one('StrictHostKeyChecking')?.toLowerCase() !== 'no',
    ...(jump === undefined || jump === 'none' ? {} : { jump: await jumps(jump, settings, depth) }),
  };
}

/** `ProxyJump a,b` goes through a first, then b: each host but the first is reached through the one before it. */
async function jumps(list: string, settings: SshSettings, depth: number): Promise<SshHost> {
  let way: SshHost | undefined;
  for (const destination of list.split(',')) {
    const host = await sshHost({ ...settings, destination: destination.trim().replace(/^ssh:\/\//, '') }, depth + 1);
    way = way === undefined ? host : { ...host, jump: way };
  }
  if (!way) throw new Failure('config', 'ProxyJump names no host');
  return way;
}

function keyAt(path: string): { path: string; pem: Buffer }[] {
  try {
    return [{ path, pem: readFileSync(path) }];
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw fileFailure(error, 'reading the SSH key', path);
  }
}

function optionalText(path: string, required: boolean): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (!required && systemCode(error) === 'ENOENT') return '';
    throw fileFailure(error, 'reading', path);
  }
}
