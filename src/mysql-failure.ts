/** What an error of a MySQL or MariaDB server, or of the connection to it, means for the caller: one table. */
import { Failure, type Kind, systemCode } from './errors.js';

/** Server error numbers by what to do about them (MySQL error reference; MariaDB shares the numbers). */
const NUMBERS: Readonly<Partial<Record<Kind, readonly number[]>>> = {
  denied: [1044, 1045, 1095, 1130, 1142, 1143, 1227, 1251, 1275, 1370, 1698, 1820, 3118, 3159],
  'no-input': [1049, 1054, 1146, 1305],
  usage: [1046, 1064, 1052, 1060, 1176, 1191, 1241, 1248, 1267, 1525],
  temporary: [
    1040, 1053, 1080, 1152, 1158, 1159, 1160, 1161, 1203, 1205, 1213, 1226, 1317, 1412, 1927, 1969, 3024, 4031,
  ],
  config: [1193, 1235, 1419],
};

const LOST =
  /^(?:PROTOCOL_CONNECTION_LOST|PROTOCOL_SEQUENCE_TIMEOUT|ECONNRESET|ECONNREFUSED|ECONNABORTED|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN|ERR_STREAM_DESTROYED|ERR_STREAM_PREMATURE_CLOSE)$/;
const TLS = /CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS|ERR_SSL|EPROTO/;

/** Server error numbers that end the connection, or that a fresh connection and the same statement get past. */
const PASSING = new Set([1040, 1053, 1080, 1152, 1158, 1159, 1160, 1161, 1203, 1205, 1213, 1226, 1317, 1927, 4031]);

/** The error number a server sent, or undefined when the error is not a server's. */
export function mysqlNumber(error: unknown): number | undefined {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const { errno, sqlState } = at as { errno?: unknown; sqlState?: unknown };
    if (typeof errno === 'number' && errno > 0 && sqlState !== undefined) return errno;
  }
  return undefined;
}

/** True when reading may go on over a new connection: the connection is gone, or the server was busy or restarting. */
export function isPassing(error: unknown): boolean {
  const number = mysqlNumber(error);
  if (number !== undefined) return PASSING.has(number);
  if (error instanceof Failure) return error.kind === 'temporary';
  return isLost(error);
}

/** mysql2 marks what ended a connection as fatal, also where it gives no code. */
function isLost(error: unknown): boolean {
  if (isRefusedCertificate(error) || error instanceof RangeError) return false;
  return LOST.test(systemCode(error) ?? '') || (error as { fatal?: boolean } | undefined)?.fatal === true;
}

/** mysql2 gives whatever ends a TLS handshake the same code, also a connection that was cut; only the text tells. */
function isRefusedCertificate(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: string; message?: string };
  return code === 'HANDSHAKE_SSL_ERROR' && /certificate|self.signed|altname/i.test(message ?? '');
}

/** True when the server does not offer TLS. */
export function hasNoTls(error: unknown): boolean {
  return systemCode(error) === 'HANDSHAKE_NO_SSL_SUPPORT';
}

/** Turns an error of a server or a connection into a Failure; `doing` says what, on what. A Failure is handed through. */
export function mysqlFailure(error: unknown, doing: string): Failure {
  if (error instanceof Failure) return error;
  const number = mysqlNumber(error);
  if (number !== undefined) {
    const [kind = 'protocol'] = (Object.keys(NUMBERS) as Kind[]).filter((each) => NUMBERS[each]?.includes(number));
    return failure(kind, doing, error, HINTS[number]);
  }
  // What mysql2 stumbles over while it takes a packet apart ends the connection.
  if (error instanceof RangeError && (error as { fatal?: boolean }).fatal === true) {
    return failure('protocol', `${doing}: the server sent a packet that cannot be read`, error, undefined);
  }
  // A mistake of ours must not be blamed on the server.
  if (error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError) {
    return failure('internal', doing, error, undefined);
  }
  const code = systemCode(error) ?? '';
  if (hasNoTls(error)) return failure('config', doing, error, 'The server has no TLS; say --ssl-mode disabled.');
  if (TLS.test(code) || isRefusedCertificate(error))
    return failure('denied', doing, error, 'Give the authority with --ssl-ca, or see --ssl-mode.');
  if (code === 'ENOTFOUND') return failure('config', doing, error, 'Check the host name.');
  if (code === 'ENOENT' || code === 'EACCES') return failure('config', doing, error, 'Check the socket path.');
  if (isLost(error)) return failure('temporary', doing, error, 'Check that the server is up and reachable.');
  return failure('protocol', doing, error, undefined);
}

const HINTS: Readonly<Record<number, string>> = {
  1046: 'Name the database in the URL (mysql://…/shop), or before each table of the query.',
  1045: 'Check the user and the password in TABLEPIPE_MYSQL_URL or ~/.my.cnf.',
  1049: 'Check the name; a database nobody granted to this user looks the same.',
  1146: 'Check the name; a table nobody granted to this user looks the same.',
  1205: 'Another session holds a lock on the table (DDL, or LOCK TABLES).',
  1317: 'Somebody killed the query, or the server is shutting down.',
  1412: 'The table was altered while it was read.',
};

function failure(kind: Kind, doing: string, cause: unknown, hint: string | undefined): Failure {
  return new Failure(kind, doing, hint === undefined ? { cause } : { cause, hint });
}
