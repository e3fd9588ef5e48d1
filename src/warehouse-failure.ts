/**
 * What an error of PostgreSQL or Redshift means for the caller: one table from SQLSTATE to a sentence with its cure.
 *
 * A server's own message may quote the value it refuses (`invalid input syntax for type integer: "…"`), so it is
 * passed on only when values may be shown, or when its class never quotes any.
 */
import { Failure, type Kind, systemCode } from './errors.js';

export interface ServerError extends Error {
  code?: string;
  detail?: string;
  where?: string;
  schema?: string;
  table?: string;
  column?: string;
  constraint?: string;
}

interface Meaning {
  kind: Kind;
  /** Replaces the server's message where that may quote a value; undefined = the message is safe. */
  says?: string;
  hint?: string;
}

/** Condition by SQLSTATE, else by its first two letters (PostgreSQL manual, appendix A). */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  '08': { kind: 'temporary' },
  '0A': { kind: 'config' },
  '22': { kind: 'data', says: 'the server refused a value' },
  '22001': { kind: 'data', says: 'a text is longer than its column', hint: 'Widen the column, or add --evolve add.' },
  '22003': { kind: 'data', says: 'a number is outside the range of its column', hint: 'Widen the column.' },
  '22007': { kind: 'data', says: 'a date or time is not one' },
  '22008': { kind: 'data', says: 'a date or time is outside the range of its column' },
  '22021': {
    kind: 'data',
    says: 'a text is not valid in the encoding of the database',
    hint: 'Load into a database whose encoding is UTF8.',
  },
  '22P02': { kind: 'data', says: 'a text does not have the form its column needs' },
  '22P05': {
    kind: 'data',
    says: 'a document holds \\u0000, which jsonb cannot',
    hint: 'Keep the column as text: create it with --cast COLUMN=json.',
  },
  '23': { kind: 'data', says: 'a constraint of the table refused a row' },
  '23502': { kind: 'data', says: 'a NULL arrived for a column that allows none', hint: 'Drop NOT NULL on the column.' },
  '23503': { kind: 'data', says: 'a row refers to one that is missing', hint: 'Load the table it refers to first.' },
  '23505': { kind: 'data', says: 'two rows have the same key', hint: 'Load with --mode upsert, or give --key.' },
  '25006': { kind: 'denied', hint: 'Connect to the primary server.' },
  '28': { kind: 'denied', hint: 'Check user and password; see ~/.pgpass, PGPASSWORD and TABLEPIPE_WAREHOUSE_URL.' },
  '3D000': { kind: 'config', hint: 'Name an existing database in the URL or in PGDATABASE.' },
  '3F000': { kind: 'no-input', hint: 'Create the schema, or add --create.' },
  '40': { kind: 'temporary' },
  '42': { kind: 'config' },
  '42501': { kind: 'denied', hint: 'Grant the missing privilege to the user.' },
  '42P01': { kind: 'no-input', hint: 'Create the table, or add --create.' },
  '53': { kind: 'temporary' },
  '53300': { kind: 'temporary', hint: 'The server has no free connection.' },
  '54': { kind: 'config' },
  '55': { kind: 'temporary' },
  '55P03': { kind: 'temporary', hint: 'Another session holds a lock for longer than --lock-timeout.' },
  '57': { kind: 'temporary' },
  '58': { kind: 'temporary' },
  XX: { kind: 'protocol' },
};

/** The SQLSTATE of a server's error; undefined for anything else, such as a lost connection. */
export function sqlState(error: unknown): string | undefined {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const { code } = at as ServerError;
    if (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && !/^E[A-Z]{4}$/.test(code)) return code;
  }
  return undefined;
}

const CONNECTION = /connection|timeout|socket|ECONN|EPIPE|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH/i;

/**
 * Turns an error of the wire client into a Failure that says what was being done. A Failure is handed through.
 * @param showValues pass the server's own words on even where they quote a value
 */
export function warehouseFailure(error: unknown, doing: string, showValues = false): Failure {
  if (error instanceof Failure) return error;
  const state = sqlState(error);
  if (state !== undefined) return fromServer(error as ServerError, state, doing, showValues);
  const code = systemCode(error);
  if (code?.startsWith('ERR_TLS') || /certificate|self.signed|altname/i.test(`${code} ${(error as Error)?.message}`)) {
    const hint =
      code === 'ERR_TLS_CERT_ALTNAME_INVALID'
        ? 'Connect by a name that the certificate has.'
        : 'Name the authority that signed it with sslrootcert=FILE.';
    return new Failure('denied', `${doing}: the server's certificate is not trusted`, { cause: error, hint });
  }
  if (/client password must be a string/.test(String((error as Error | undefined)?.message))) {
    return new Failure('denied', `${doing}: the server wants a password, and there is none`, {
      hint: 'Put it into ~/.pgpass (mode 0600), PGPASSWORD or TABLEPIPE_WAREHOUSE_URL.',
    });
  }
  if (code === 'ECONNREFUSED' || code === 'ENOTFOUND') {
    const hint = 'Check host and port in TABLEPIPE_WAREHOUSE_URL or PGHOST, and that the server runs.';
    return new Failure('temporary', `${doing}: the server cannot be reached`, { cause: error, hint });
  }
  if (CONNECTION.test(`${code} ${(error as Error | undefined)?.message}`)) {
    return new Failure('temporary', `${doing}: the connection was lost`, { cause: error });
  }
  return new Failure('internal', doing, { cause: error });
}

function fromServer(error: ServerError, state: string, doing: string, showValues: boolean): Failure {
  const meaning = MEANINGS[state] ?? MEANINGS[state.slice(0, 2)] ?? { kind: 'config' };
  const place = [
    error.column && `column ${error.column}`,
    error.constraint && `constraint ${error.constraint}`,
    copyPlace(error.where),
  ].filter(Boolean);
  const says = showValues || meaning.says === undefined ? error.message : meaning.says;
  const detail = showValues ? [error.detail, error.where].filter(Boolean).join('; ') : '';
  const where = place.length > 0 ? ` (${place.join(', ')})` : '';
  const hidden = !showValues && meaning.says !== undefined ? 'Add --show-values to see the value.' : '';
  const unencrypted = state === '28000' && error.message.endsWith('no encryption');
  const hint = [unencrypted ? 'The server wants TLS: use sslmode=require or better.' : meaning.hint, hidden]
    .filter(Boolean)
    .join(' ');
  return new Failure(meaning.kind, `${doing}: ${says}${where}${detail ? `: ${detail}` : ''}`, {
    ...(hint ? { hint } : {}),
    cause: new ServerState(state),
  });
}

/** `COPY staging, line 12, column amount` without the value that may follow. */
function copyPlace(where: string | undefined): string | undefined {
  const [, line, column] = /COPY [^,]+, line ([0-9]+)(?:, column ([^:\n]+))?/.exec(where ?? '') ?? [];
  if (line === undefined) return undefined;
  return column === undefined ? `row ${line}` : `row ${line}, column ${column}`;
}

/** Keeps the SQLSTATE for those who decide by it, and nothing that could hold a value. */
class ServerState extends Error {
  constructor(readonly code: string) {
    super(`SQLSTATE ${code}`);
  }
}
