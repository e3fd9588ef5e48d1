/** The MySQL client: TLS, an optional SSH tunnel, and the session settings every read depends on. */
import type { Duplex } from 'node:stream';
import type { Connection, ConnectionOptions } from 'mysql2';
import { hasNoTls, mysqlFailure } from '../mysql-failure.js';
import { MysqlSession } from '../mysql-session.js';
import { lendingSocket } from './lending-socket.js';
import type { SshTunnel } from './ssh-tunnel.js';

export interface TlsSettings {
  /** As in the mysql client: `preferred` encrypts when the server can and checks nothing. */
  mode: 'disabled' | 'preferred' | 'required' | 'verify-ca' | 'verify-identity';
  /** PEM texts. */
  ca?: string;
  cert?: string;
  key?: string;
}

export interface MysqlSettings {
  host: string;
  port: number;
  /** A Unix socket instead of host and port. */
  socketPath?: string;
  user: string;
  password?: string;
  tls: TlsSettings;
  /** Opens the way through a bastion; called again when the tunnel is gone. */
  tunnel?: SshTunnel;
  /** Milliseconds until a connection must stand. */
  connectMs: number;
  /** Without a byte from the server, while it has nothing to wait for, a connection counts as dead after so many milliseconds. */
  idleMs: number;
  /** Longest wait for a lock on a table, in seconds; the server's own default is a day or a year. */
  lockWaitSeconds: number;
  /** `program/version`, shown in the server's list of connections. */
  agent: string;
}

/** How long the server may wait for us to take more rows: a slow pipe is no reason to drop the connection. */
const NET_WRITE_SECONDS = 86_400;
const IDLE_SECONDS = 604_800;

/** A server that waits for a lock says so itself; a little later than this we stop waiting for it. */
const LOCK_MARGIN_MS = 2_000;

/** Opens a connection with its session settled. Throws 75, 77 or 78, naming the server but never the password. */
export async function openMysql(settings: MysqlSettings, signal: AbortSignal): Promise<MysqlSession> {
  const where = settings.socketPath ?? `${settings.host}:${settings.port}`;
  try {
    const connection = await connected(settings, signal);
    return await settled(connection, settings);
  } catch (error) {
    signal.throwIfAborted();
    throw mysqlFailure(error, `connecting to MySQL at ${where} as ${settings.user}`);
  }
}

async function connected(settings: MysqlSettings, signal: AbortSignal): Promise<Connection> {
  const { tls, socketPath } = settings;
  const encrypted = tls.mode !== 'disabled' && socketPath === undefined;
  try {
    return await connectOnce(settings, encrypted, signal);
  } catch (error) {
    if (tls.mode === 'preferred' && hasNoTls(error)) return connectOnce(settings, false, signal);
    throw error;
  }
}

async function connectOnce(settings: MysqlSettings, encrypted: boolean, signal: AbortSignal): Promise<Connection> {
  const { createConnection } = await import('mysql2');
  const { host, port, socketPath, tunnel, connectMs } = settings;
  const through = tunnel ? await tunnel.open(host, port, signal) : undefined;
  // What a certificate is compared with where mysql2 gives no name, which it does not for an address: node:tls would
  // take it for localhost.
  const stream = (): Duplex => Object.assign(through ?? lendingSocket(port, host), { _host: host });
  const connection = createConnection({
    ...options(settings, encrypted),
    ...(socketPath === undefined ? { stream } : {}),
  });
  return await new Promise((resolve, reject) => {
    const giveUp = (error: unknown): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      (connection as unknown as { stream: Duplex }).stream.destroy();
      reject(error as Error);
    };
    const stop = (): void => giveUp(signal.reason);
    const place = socketPath ?? `${host}:${port}`;
    const timer = setTimeout(
      () => giveUp(Object.assign(new Error(`no answer from ${place} in ${connectMs} ms`), { code: 'ETIMEDOUT' })),
      connectMs,
    );
    signal.addEventListener('abort', stop, { once: true });
    connection.on('error', () => {});
    connection.connect((error) => {
      if (error) return giveUp(error);
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      resolve(connection);
    });
  });
}

function options(settings: MysqlSettings, encrypted: boolean): ConnectionOptions {
  const { host, port, socketPath, user, password, tls, agent, connectMs } = settings;
  const verified = tls.mode === 'verify-ca' || tls.mode === 'verify-identity';
  return {
    ...(socketPath === undefined ? { host, port } : { socketPath }),
    user,
    ...(password === undefined ? {} : { password }),
    charset: 'UTF8MB4_GENERAL_CI',
    connectTimeout: connectMs,
    connectAttributes: { program_name: agent },
    // Cloud tokens are sent as they are, so only over a connection whose other end was checked.
    enableCleartextPlugin: encrypted && verified,
    multipleStatements: false,
    // LOCAL INFILE lets a server ask for our files.
    flags: ['-LOCAL_FILES'],
    ...(encrypted
      ? {
          ssl: {
            rejectUnauthorized: verified,
            verifyIdentity: tls.mode === 'verify-identity',
            ...(tls.ca === undefined ? {} : { ca: tls.ca }),
            ...(tls.cert === undefined ? {} : { cert: tls.cert }),
            ...(tls.key === undefined ? {} : { key: tls.key }),
          },
        }
      : {}),
  };
}

/**
 * Settings first, before anything is read: UTC (a TIMESTAMP is rendered in the session's zone), long waits for a slow
 * reader, short ones for a locked table, no statement limits of the server's, and a fixed SQL mode so that literals
 * mean the same everywhere (reference/mysql.md 2.5, 4.1).
 */
async function settled(connection: Connection, settings: MysqlSettings): Promise<MysqlSession> {
  const [, version = ''] = /^(?:5\.5\.5-)?(.*)$/.exec(handshakeVersion(connection)) ?? [];
  const { idleMs, lockWaitSeconds, connectMs } = settings;
  const session = new MysqlSession(connection, version, Math.max(idleMs, lockWaitSeconds * 1000 + LOCK_MARGIN_MS));
  const assignments = [
    "time_zone = '+00:00'",
    "sql_mode = 'NO_ENGINE_SUBSTITUTION'",
    `net_write_timeout = ${NET_WRITE_SECONDS}`,
    `net_read_timeout = ${NET_WRITE_SECONDS}`,
    `wait_timeout = ${IDLE_SECONDS}`,
    `lock_wait_timeout = ${lockWaitSeconds}`,
    session.mariadb ? 'max_statement_time = 0' : undefined,
    /^(?:5\.[0-6]\.)/.test(version) || session.mariadb ? undefined : 'max_execution_time = 0',
    /^(?:[89]|[1-9][0-9])\./.test(version) && !session.mariadb ? 'information_schema_stats_expiry = 0' : undefined,
  ].filter((one) => one !== undefined);
  // The connection does not stand before these are answered.
  await session.askWithin(connectMs, `SET SESSION ${assignments.join(', SESSION ')}`);
  await session.askWithin(connectMs, 'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
  return session;
}

function handshakeVersion(connection: Connection): string {
  const packet = (connection as unknown as { _handshakePacket?: { serverVersion?: string } })._handshakePacket;
  return packet?.serverVersion ?? '';
}
