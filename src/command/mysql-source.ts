/** The MySQL server a command line names, for every program that reads from one. */
import { readFileSync } from 'node:fs';
import type { Env, Flag, Flags } from '../cli/flags.js';
import type { Invocation } from '../cli/command.js';
import { parseChoice, parseCount, parseDuration } from '../cli/parse.js';
import { type MysqlSettings, type TlsSettings, openMysql } from '../connect/mysql.js';
import { type MysqlOptions, readOptionFile } from '../connect/option-file.js';
import { Failure, fileFailure } from '../errors.js';
import type { MysqlSession } from '../mysql-session.js';

export const MYSQL_FLAGS: readonly Flag[] = [
  {
    name: 'url',
    value: 'URL',
    env: ['TABLEPIPE_MYSQL_URL'],
    help: 'mysql://user@host:3306/; no password on the command line',
  },
  { name: 'defaults-file', value: 'FILE', help: 'MySQL option file with [client] settings, instead of ~/.my.cnf' },
  { name: 'socket', value: 'PATH', help: 'Unix socket of a server on this machine' },
  {
    name: 'ssl-mode',
    value: 'MODE',
    default: 'preferred',
    help: 'disabled, preferred, required, verify-ca, verify-identity',
  },
  { name: 'ssl-ca', value: 'FILE', help: 'certificate authority, PEM; implies verify-ca' },
  { name: 'ssl-cert', value: 'FILE', help: 'our certificate, PEM' },
  { name: 'ssl-key', value: 'FILE', help: 'its key, PEM' },
  {
    name: 'ssh',
    value: '[USER@]HOST[:PORT]',
    env: ['TABLEPIPE_SSH'],
    help: 'bastion to go through; ~/.ssh/config, ssh-agent and known_hosts are read',
  },
  { name: 'ssh-config', value: 'FILE', help: 'instead of ~/.ssh/config' },
  {
    name: 'connect-timeout',
    value: 'TIME',
    default: '10s',
    env: ['DATABASE_CONNECTION_TIMEOUT'],
    help: 'until a connection must stand',
  },
  {
    name: 'idle-timeout',
    value: 'TIME',
    default: '60s',
    help: 'without a byte from the server, a connection counts as dead',
  },
  { name: 'lock-timeout', value: 'TIME', default: '60s', help: 'longest wait behind DDL on the table' },
];

/** Opens sessions on one server. */
export interface MysqlServer {
  /** Database named in the URL or the option file; for table names without one. */
  database: string | undefined;
  /** Where it is, for messages. */
  place: string;
  open(signal: AbortSignal): Promise<MysqlSession>;
  /** Ends the SSH session, if there is one. */
  close(): void;
}

/** Settles all flags, variables and files; contacts nothing. 64 for a bad flag or a typed password, 78 for a bad file. */
export async function mysqlServer({ flags, env, words, agent }: Invocation): Promise<MysqlServer> {
  const url = urlOf(flags);
  const options = optionsOf(flags, env);
  const pick = (inUrl: string | null | undefined, ...others: (string | undefined)[]): string | undefined =>
    [inUrl ?? undefined, ...others].find((value) => value !== undefined && value !== '');
  const query = url?.searchParams;
  const password = pick(url && decodeURIComponent(url.password), options.get('password'), env.MYSQL_PWD);
  words.secret(password);
  const host = pick(url?.hostname.replaceAll(/^\[|\]$/g, ''), options.get('host'), env.MYSQL_HOST) ?? '127.0.0.1';
  const socketPath = pick(
    flags.text('socket'),
    query?.get('socket') ?? undefined,
    url ? undefined : (options.get('socket') ?? env.MYSQL_UNIX_PORT),
  );
  const connectMs = parseDuration(flags.text('connect-timeout') ?? '10s', '--connect-timeout');
  const ssh = pick(flags.text('ssh'), query?.get('ssh') ?? undefined);
  const settings: MysqlSettings = {
    host,
    port: parseCount(pick(url?.port, options.get('port'), env.MYSQL_TCP_PORT) ?? '3306', 'port'),
    ...(socketPath === undefined ? {} : { socketPath }),
    user: pick(url && decodeURIComponent(url.username), options.get('user'), env.USER, env.LOGNAME) ?? 'root',
    ...(password === undefined ? {} : { password }),
    tls: tlsOf(flags, options, query),
    connectMs,
    idleMs: parseDuration(flags.text('idle-timeout') ?? '60s', '--idle-timeout'),
    lockWaitSeconds: Math.max(
      1,
      Math.ceil(parseDuration(flags.text('lock-timeout') ?? '60s', '--lock-timeout') / 1000),
    ),
    agent,
  };
  const tunnel = ssh === undefined ? undefined : await tunnelOf(ssh, flags, env, connectMs);
  const all = tunnel === undefined ? settings : { ...settings, tunnel };
  return {
    database: pick(url && decodeURIComponent(url.pathname.slice(1)), options.get('database')),
    place: socketPath ?? `${host}:${settings.port}`,
    open: (signal) => openMysql(all, signal),
    close: () => tunnel?.close(),
  };
}

const QUERY_KEYS = new Set(['ssl-mode', 'ssl-ca', 'ssl-cert', 'ssl-key', 'socket', 'ssh']);

function urlOf(flags: Flags): URL | undefined {
  const text = flags.text('url');
  if (text === undefined) return undefined;
  const where = flags.typed('url') ? '--url' : 'TABLEPIPE_MYSQL_URL';
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new Failure('usage', `${where}: not a URL`, { hint: 'Write mysql://user@host:3306/.' });
  }
  if (!/^(?:mysql|mariadb):$/.test(url.protocol))
    throw new Failure('usage', `${where}: expected mysql://, got ${url.protocol}//`);
  if (url.password !== '' && flags.typed('url')) {
    throw new Failure('usage', '--url holds a password, which everybody on this machine can read', {
      hint: 'Put it into ~/.my.cnf ([client] password=…) or the whole URL into TABLEPIPE_MYSQL_URL.',
    });
  }
  const unknown = [...url.searchParams.keys()].find((key) => !QUERY_KEYS.has(key));
  if (unknown !== undefined) {
    throw new Failure('usage', `${where}: unknown setting ${unknown}`, {
      hint: `Known: ${[...QUERY_KEYS].join(', ')}.`,
    });
  }
  return url;
}

/** What the option file says; without `--defaults-file` the one in the home folder, when there is one. */
function optionsOf(flags: Flags, env: Env): MysqlOptions {
  const named = flags.text('defaults-file');
  if (named !== undefined) return readOptionFile(named, true);
  return env.HOME ? readOptionFile(`${env.HOME}/.my.cnf`, false) : new Map();
}

const MODES = ['disabled', 'preferred', 'required', 'verify-ca', 'verify-identity'] as const;

function tlsOf(flags: Flags, options: MysqlOptions, query: URLSearchParams | undefined): TlsSettings {
  const said = (name: string): string | undefined => flags.text(name) ?? query?.get(name) ?? options.get(name);
  const pem = (name: string): string | undefined => {
    const path = said(name);
    return path === undefined ? undefined : readPem(path, `--${name}`);
  };
  const [ca, cert, key] = [pem('ssl-ca'), pem('ssl-cert'), pem('ssl-key')];
  const mode = said('ssl-mode')?.toLowerCase().replaceAll('_', '-') ?? (ca === undefined ? 'preferred' : 'verify-ca');
  return {
    mode: parseChoice(mode, '--ssl-mode', MODES),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

function readPem(path: string, flag: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw fileFailure(error, `reading ${flag}`, path);
  }
}

async function tunnelOf(
  destination: string,
  flags: Flags,
  env: Env,
  connectMs: number,
): Promise<NonNullable<MysqlSettings['tunnel']>> {
  const { sshHost } = await import('../connect/ssh-host.js');
  const { sshTunnel } = await import('../connect/ssh-tunnel.js');
  const configFile = flags.text('ssh-config');
  const agent = env.SSH_AUTH_SOCK;
  const host = await sshHost({
    destination,
    home: env.HOME ?? '/',
    localUser: env.USER ?? env.LOGNAME ?? 'root',
    ...(agent === undefined ? {} : { agent }),
    ...(configFile === undefined ? {} : { configFile }),
  });
  return sshTunnel(host, connectMs);
}
