/** The text of COPY … FORMAT PARQUET (reference/redshift.md 1.1, 3; rules 1 to 3, 39, 40). Nothing is contacted. */
import { type Authorization, credentialText, keyPair, roleChain } from './authorization.js';
import { SqlError, syntaxError, unverified } from './sql-error.js';
import type { TableName, Tape } from './tape.js';

export interface CopySpec {
  table: TableName;
  columns: string[] | undefined;
  bucket: string;
  key: string;
  authorization: Authorization;
  manifest: boolean;
  fillRecord: boolean;
  explicitIds: boolean;
  serializeToJson: boolean;
  /** Replacement byte for bad UTF-8; undefined refuses it. */
  acceptInvChars: string | undefined;
}

/** Parameters of COPY that columnar formats refuse; the value says how many arguments follow at most. */
const REFUSED: Readonly<Record<string, number>> = {
  region: 1,
  truncatecolumns: 0,
  compupdate: 1,
  acceptanydate: 0,
  ignoreallerrors: 0,
  noload: 0,
  gzip: 0,
  bzip2: 0,
  zstd: 0,
  lzop: 0,
  delimiter: 1,
  null: 1,
  blanksasnull: 0,
  emptyasnull: 0,
  dateformat: 1,
  timeformat: 1,
  encoding: 1,
  roundec: 0,
  trimblanks: 0,
  ignoreheader: 1,
  ignoreblanklines: 0,
  escape: 0,
  comprows: 1,
  removequotes: 0,
  quote: 1,
  readratio: 1,
  ssh: 0,
  encrypted: 0,
  master_symmetric_key: 1,
  fixedwidth: 1,
  csv: 0,
  maxerror: 1,
};
const FORMATS = new Set(['orc', 'csv', 'json', 'avro', 'fixedwidth', 'shapefile', 'text']);
const LOAD_SOURCE = 'LOAD source is not supported. (Hint: only S3 or DynamoDB or EMR based load is allowed)';

interface Options {
  authorizations: Authorization[];
  keys: { id?: string; secret?: string; token?: string };
  format?: string;
  refused?: string;
  flags: Set<string>;
  acceptInvChars?: string;
}

export function readCopy(tape: Tape): CopySpec {
  tape.expect('copy');
  if (tape.sees('(')) throw syntaxError('(');
  const table = tape.writeTable();
  const columns = tape.sees('(') ? tape.columns() : undefined;
  if (tape.sees('to')) throw syntaxError('to');
  tape.expect('from');
  if (tape.seesAny('stdin', 'program')) throw new SqlError('0A000', LOAD_SOURCE);
  if (tape.peek().kind === 'param') throw unverified('parameters in COPY');
  const { bucket, key } = location(tape.string());
  const options: Options = { authorizations: [], keys: {}, flags: new Set() };
  while (!tape.done) option(tape, options);
  if (options.format !== 'parquet') throw unverified('COPY of anything but Parquet; give FORMAT AS PARQUET');
  if (options.refused !== undefined) {
    throw new SqlError('0A000', `${options.refused.toUpperCase()} argument is not supported for PARQUET based COPY`);
  }
  const pair = keyPair(options.keys);
  if (pair !== undefined) options.authorizations.push(pair);
  const [authorization, second] = options.authorizations;
  if (second !== undefined)
    throw new SqlError('42601', 'only one form of authorization can be given: IAM_ROLE, ACCESS_KEY_ID or CREDENTIALS');
  if (authorization === undefined) throw new SqlError('42601', 'CREDENTIALS argument is required but not specified');
  const has = (flag: string): boolean => options.flags.has(flag);
  return {
    table,
    columns,
    bucket,
    key,
    authorization,
    manifest: has('manifest'),
    fillRecord: has('fillrecord'),
    explicitIds: has('explicit_ids'),
    serializeToJson: has('serializetojson'),
    acceptInvChars: options.acceptInvChars,
  };
}

function location(url: string): { bucket: string; key: string } {
  const parts = /^s3:\/\/([^/]+)\/(.*)$/s.exec(url);
  if (parts !== null) return { bucket: parts[1] as string, key: parts[2] as string };
  if (/^(emr|dynamodb|ssh):/.test(url)) throw unverified('COPY from anything but S3');
  throw new SqlError('0A000', LOAD_SOURCE);
}

function option(tape: Tape, options: Options): void {
  const token = tape.peek();
  if (token.kind === 'param') throw unverified('parameters in COPY');
  if (token.kind !== 'word') throw syntaxError(token.text);
  const { word } = token;
  tape.take();
  if (word === 'format' || word === 'parquet' || (FORMATS.has(word) && word !== 'csv') || word === 'csv') {
    return format(tape, options, word);
  }
  if (authorization(tape, options, word)) return;
  if (['manifest', 'fillrecord', 'explicit_ids', 'serializetojson', 'statupdate', 'acceptinvchars'].includes(word)) {
    return flag(tape, options, word);
  }
  if (word === 'job') throw unverified('COPY JOB');
  if (!(word in REFUSED)) throw syntaxError(token.text);
  refusedOption(tape, options, word);
}

function format(tape: Tape, options: Options, word: string): void {
  let name = word;
  if (word === 'format') {
    tape.accept('as');
    const token = tape.take();
    if (token.kind !== 'word') throw syntaxError(token.text);
    name = token.word;
  }
  if (name !== 'parquet' && !FORMATS.has(name)) throw syntaxError(name);
  if (options.format !== undefined) throw new SqlError('42601', 'conflicting or redundant options');
  options.format = name;
  if (name === 'json' || name === 'avro') {
    tape.accept('as');
    if (tape.peek().kind === 'string') tape.string();
  }
}

function authorization(tape: Tape, options: Options, word: string): boolean {
  const text = (): string => {
    tape.accept('as');
    if (tape.peek().kind === 'param') throw unverified('parameters in COPY');
    return tape.string();
  };
  if (word === 'iam_role')
    options.authorizations.push(tape.accept('default') ? { kind: 'default' } : roleChain(text()));
  else if (word === 'credentials') options.authorizations.push(credentialText(text()));
  else if (word === 'with') {
    tape.expect('credentials');
    options.authorizations.push(credentialText(text()));
  } else if (word === 'access_key_id') options.keys.id = text();
  else if (word === 'secret_access_key') options.keys.secret = text();
  else if (word === 'session_token' || word === 'token') options.keys.token = text();
  else return false;
  return true;
}

function flag(tape: Tape, options: Options, word: string): void {
  if (options.flags.has(word)) throw new SqlError('42601', 'conflicting or redundant options');
  options.flags.add(word);
  if (word === 'statupdate') {
    for (const value of ['on', 'off', 'true', 'false']) if (tape.accept(value)) return;
  }
  if (word !== 'acceptinvchars') return;
  const spelled = tape.accept('as');
  options.acceptInvChars = spelled || tape.peek().kind === 'string' ? tape.string() : '?';
  if (!/^[\x01-\x7f]$/.test(options.acceptInvChars)) {
    throw new SqlError('22023', 'the replacement for ACCEPTINVCHARS must be one ASCII character');
  }
}

/** Takes the arguments as well, so that a later REGION is not reported as a syntax error at its value. */
function refusedOption(tape: Tape, options: Options, word: string): void {
  tape.accept('as');
  const argument = tape.peek();
  if (REFUSED[word] === 0 && argument.kind !== 'string') {
    options.refused ??= word;
    return;
  }
  const literal = argument.kind === 'string' || argument.kind === 'number';
  const word1 = argument.kind === 'word' && ['on', 'off', 'true', 'false', 'preset'].includes(argument.word);
  if (literal || word1) tape.take();
  // `MAXERROR 0` is sent with Parquet by shipped code (reference/redshift.md 1.1).
  if (word === 'maxerror' && argument.text === '0') return;
  options.refused ??= word;
}
