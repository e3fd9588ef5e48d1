/**
 * The connection to PostgreSQL or Redshift: a URL, else what libpq users already have (PG* variables, service file,
 * password file). Values in the URL come first, then the service's, then the environment's, as in libpq.
 */
import { existsSync, readFileSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import type { ConnectionOptions } from 'node:tls';
import type { Client } from 'pg';
import type { Env } from '../cli/flags.js';
import { Failure, fileFailure } from '../errors.js';
import { warehouseFailure } from '../warehouse-failure.js';

export type Dialect = 'postgres' | 'redshift';

export interface WarehouseSettings {
  dialect: Dialect;
  /** Host name, address, or the directory of a Unix socket. */
  host: string;
  port: number;
  user: string;
  database: string;
  /** Undefined: the password file is asked. */
  password: string | undefined;
  tls: TlsMode;
  /** Everything else the URL or the service said, such as `options`. */
  extra: Readonly<Record<string, string>>;
}

const TLS_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
type TlsMode = (typeof TLS_MODES)[number];

/** Parameters of libpq that mean something here; `extra` of a redshift:// URL is open, its owner checks it. */
const PARAMETERS: Readonly<Record<string, string>> = {
  host: 'PGHOST',
  port: 'PGPORT',
  user: 'PGUSER',
  password: 'PGPASSWORD',
  dbname: 'PGDATABASE',
  sslmode: 'PGSSLMODE',
  sslrootcert: 'PGSSLROOTCERT',
  sslcert: 'PGSSLCERT',
  sslkey: 'PGSSLKEY',
  options: 'PGOPTIONS',
  connect_timeout: 'PGCONNECT_TIMEOUT',
  application_name: 'PGAPPNAME',
  service: 'PGSERVICE',
};

/**
 * Settings from `--warehouse` or TABLEPIPE_WAREHOUSE_URL (undefined: from PG* alone). 64 for a URL that is not one,
 * and for a password in it when it was typed: other users of the machine read command lines.
 */
export function warehouseSettings(url: string | undefined, env: Env, typed = false): WarehouseSettings {
  const { dialect, given } = url === undefined ? { dialect: 'postgres' as const, given: {} } : parseUrl(url);
  if (typed && given.password !== undefined) {
    throw new Failure('usage', 'a password on the command line can be read by everyone on this machine', {
      hint: 'Put it into ~/.pgpass or PGPASSWORD, or the whole URL into TABLEPIPE_WAREHOUSE_URL.',
    });
  }
  const fromEnv = environment(env);
  const service = given.service ?? fromEnv.service;
  const all = { ...fromEnv, ...(service === undefined ? {} : serviceOf(service, env)), ...given };
  const user = all.user ?? userInfo().username;
  const host = all.host ?? 'localhost';
  const mode = all.sslmode ?? (dialect === 'redshift' ? 'require' : 'prefer');
  if (!TLS_MODES.includes(mode as TlsMode)) {
    throw new Failure('usage', `sslmode=${mode}: expected one of ${TLS_MODES.join(', ')}`);
  }
  const port = Number(all.port ?? (dialect === 'redshift' ? 5439 : 5432));
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Failure('usage', `${all.port} is not a port`);
  return {
    dialect,
    host,
    port,
    user,
    database: all.dbname ?? (dialect === 'redshift' ? 'dev' : user),
    password: all.password,
    // libpq does not encrypt what goes through a socket file.
    tls: host.startsWith('/') ? 'disable' : (mode as TlsMode),
    extra: all,
  };
}

type Given = Record<string, string>;

/** Stands for the host in a URL without one, as `postgres:///analytics` or `postgres://?service=etl`. */
const NO_HOST = 'nowhere.invalid';

function parseUrl(text: string): { dialect: Dialect; given: Given } {
  const match = /^(postgres|postgresql|redshift):\/\//.exec(text);
  let url: URL;
  try {
    // `postgres:` is no special scheme for URL, so the rest is parsed under one that is, and that one wants a host.
    url = new URL(text.replace(/^[a-z]+:\/\/([^/?#]*@)?(?=[/?#]|$)/, `$&${NO_HOST}`).replace(/^[a-z]+:/, 'http:'));
  } catch {
    throw notUrl();
  }
  if (!match) throw notUrl();
  const dialect = match[1] === 'redshift' ? 'redshift' : 'postgres';
  const given: Given = {};
  if (url.hostname !== NO_HOST) given.host = decodeURIComponent(url.hostname).replace(/^\[(.*)\]$/, '$1');
  if (url.port) given.port = url.port;
  else if (/^[a-z]+:\/\/[^/?#]*:80(?:[/?#]|$)/.test(text)) given.port = '80';
  if (url.username) given.user = decodeURIComponent(url.username);
  if (url.password) given.password = decodeURIComponent(url.password);
  if (url.pathname.length > 1) given.dbname = decodeURIComponent(url.pathname.slice(1));
  for (const [name, value] of url.searchParams) {
    if (dialect === 'postgres' && !Object.hasOwn(PARAMETERS, name)) {
      throw new Failure('usage', `the warehouse URL has an unknown parameter ${name}`, {
        hint: `Known ones: ${Object.keys(PARAMETERS).join(', ')}.`,
      });
    }
    given[name] = value;
  }
  return { dialect, given };
}

/** Never quotes the text: it may hold a password. */
function notUrl(): Failure {
  return new Failure('usage', 'the warehouse is not named by a postgres:// or redshift:// URL', {
    hint: 'Example: postgres://loader@db.example.com:5432/analytics?sslmode=verify-full.',
  });
}

function environment(env: Env): Given {
  const given: Given = {};
  for (const [name, variable] of Object.entries(PARAMETERS)) {
    const value = env[variable];
    if (value !== undefined && value !== '') given[name] = value;
  }
  return given;
}

/** A section of the connection service file: the user's, else the system's. 78 when it is in neither. */
function serviceOf(service: string, env: Env): Given {
  const files = [
    env.PGSERVICEFILE ?? `${env.HOME ?? homedir()}/.pg_service.conf`,
    `${env.PGSYSCONFDIR ?? '/etc/postgresql-common'}/pg_service.conf`,
  ];
  for (const file of files) {
    const found = existsSync(file) && sectionOf(readText(file), service);
    if (found) return found;
  }
  throw new Failure('config', `the service ${service} is not defined`, { hint: `Looked in ${files.join(' and ')}.` });
}

function sectionOf(text: string, wanted: string): Given | undefined {
  let found: Given | undefined;
  for (const line of text.split(/\r?\n/).map((one) => one.trim())) {
    const section = /^\[(.*)\]$/.exec(line)?.[1];
    if (section !== undefined && found) return found;
    if (section === wanted) found = {};
    const [, name, value] = /^([a-z_]+)\s*=\s*(.*)$/.exec(line) ?? [];
    if (found && name !== undefined && value !== undefined) found[name] = value;
  }
  return found;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw fileFailure(error, 'reading', file);
  }
}

/** `user@host:port/database`, for messages. */
export function warehouseName({ user, host, port, database }: WarehouseSettings): string {
  return `${user}@${host}:${port}/${database}`;
}

/** Milliseconds until a server that does not answer counts as unreachable. */
const CONNECT_MS = 10_000;

/** Opens a connection; 75 unreachable, 77 refused, 78 no such database. Closing it is the caller's. */
export async function connectWarehouse(settings: WarehouseSettings, agent: string): Promise<Client> {
  const tls = tlsOptions(settings);
  try {
    return await open(settings, tls, agent);
  } catch (error) {
    const optional = settings.tls === 'prefer' || settings.tls === 'allow';
    if (optional && /does not support SSL/.test(String((error as Error).message))) {
      try {
        return await open(settings, false, agent);
      } catch (again) {
        throw warehouseFailure(again, `connecting to ${warehouseName(settings)}`);
      }
    }
    throw warehouseFailure(error, `connecting to ${warehouseName(settings)}`);
  }
}

async function open(settings: WarehouseSettings, ssl: ConnectionOptions | false, agent: string): Promise<Client> {
  const { default: pg } = await import('pg');
  const { host, port, user, database, extra } = settings;
  const password = settings.password ?? (await passwordOfFile(settings));
  const client = new pg.Client({
    host,
    port,
    user,
    database,
    ssl,
    ...(password === undefined ? {} : { password }),
    ...(extra.options === undefined ? {} : { options: extra.options }),
    application_name: extra.application_name ?? agent,
    connectionTimeoutMillis: Number(extra.connect_timeout ?? 0) * 1000 || CONNECT_MS,
    // A server that vanished without a word is noticed by the kernel, not by us.
    keepAlive: true,
    keepAliveInitialDelayMillis: 30_000,
  });
  // A lost connection also fails the statement that waits on it; unheard, this event would end the process.
  client.on('error', () => {});
  await client.connect();
  return client;
}

/** From the password file, which libpq leaves alone when others may read it; the library says so on stderr. */
async function passwordOfFile({ host, port, user, database }: WarehouseSettings): Promise<string | undefined> {
  const { default: pgpass } = await import('pgpass');
  return new Promise((resolve) => pgpass({ host, port, user, database }, resolve));
}

function tlsOptions({ tls, extra }: WarehouseSettings): ConnectionOptions | false {
  if (tls === 'disable') return false;
  const root = rootCertificate(extra.sslrootcert);
  const verifying = tls === 'verify-ca' || tls === 'verify-full' || (tls === 'require' && root !== undefined);
  const nameless = tls !== 'verify-full';
  return {
    ...(root === undefined ? {} : { ca: root }),
    ...(extra.sslcert === undefined ? {} : { cert: readText(extra.sslcert) }),
    ...(extra.sslkey === undefined ? {} : { key: readText(extra.sslkey) }),
    rejectUnauthorized: verifying,
    ...(nameless ? { checkServerIdentity: () => undefined } : {}),
  };
}

/** The authority to trust: the named file, else libpq's own place; `system` = what Node trusts. */
function rootCertificate(named: string | undefined): string | undefined {
  if (named === 'system') return undefined;
  if (named !== undefined) return readText(named);
  const usual = `${homedir()}/.postgresql/root.crt`;
  return existsSync(usual) ? readText(usual) : undefined;
}
