/** Bad input: a clear message, its exit status, no data on stdout and nothing changed. */
import t from 'tap';
import { pipeline } from '../support/pipeline.js';
import { run } from '../support/program.js';
import { servers } from '../support/servers.js';
import { shopRun } from '../pipe/shop-run.js';

const shop = await shopRun(10);
t.teardown(() => shop.close());
const { env, table } = shop;
const [database = ''] = table.split('.');
const nobody = 'mysql://nobody@127.0.0.1:9/x';

interface Case {
  what: string;
  program: string;
  words: string[];
  env?: Record<string, string>;
  code: number;
  says: RegExp;
}

const CASES: readonly Case[] = [
  { what: 'an unknown table', program: 'mysql-extract', words: [`${database}.nothing`], code: 66, says: /nothing/ },
  {
    what: 'an unknown column',
    program: 'mysql-extract',
    words: [table, '--columns', 'id,prize'],
    code: 66,
    says: /prize/,
  },
  { what: 'an unknown flag', program: 'mysql-extract', words: [table, '--limt', '3'], code: 64, says: /--limit/ },
  {
    what: 'a server nobody runs',
    program: 'mysql-extract',
    words: [table, '--retry-max-time', '1s'],
    env: { TABLEPIPE_MYSQL_URL: nobody },
    code: 75,
    says: /127\.0\.0\.1/,
  },
  {
    what: 'a password on the command line',
    program: 'mysql-extract',
    words: [table, '--url', 'mysql://root:hunter2@127.0.0.1/shop'],
    code: 64,
    says: /password/,
  },
  {
    what: 'an unknown bucket',
    program: 's3-put',
    words: ['s3://no-such-bucket-here/x/'],
    code: 78,
    says: /no-such-bucket-here/,
  },
  { what: 'no operand', program: 's3-put', words: [], code: 64, says: /s3:\/\// },
  { what: 'no table', program: 'wm', words: ['get'], code: 64, says: /TABLE/ },
];

for (const { what, program, words, env: more = {}, code, says } of CASES) {
  t.test(`${program}: ${what}`, async (t) => {
    const stdin = program === 's3-put' && words.length > 0 ? await tinyTar() : '';
    const ended = await run(program, words, { env: { ...env, ...more }, stdin });
    t.equal(ended.code, code, ended.stderr);
    t.match(ended.stderr, says);
    t.notMatch(ended.stderr, /hunter2|\n {4}at /, 'no secret, no stack');
    t.notMatch(ended.stdout.toString('latin1'), /"complete"|customer/, 'at most the record that says it failed');
  });
}

t.test('a terminal where bytes belong', async (t) => {
  const onTerminal = (line: string) => pipeline(`script -qec "${line}" /dev/null`, { env });
  const arrow = await onTerminal(`mysql-extract ${table} --format arrow`);
  t.equal(arrow.code, 64);
  t.match(arrow.stdout, /terminal/);
  const parquet = await onTerminal('to-parquet');
  t.equal(parquet.code, 64);
  t.match(parquet.stdout, /terminal/);
  const rows = await onTerminal(`mysql-extract ${table} --limit 3`);
  t.equal(rows.code, 0, rows.stdout);
  t.equal(rows.stdout.match(/^\{"id":/gm)?.length, 3, 'three JSON lines');
});

t.test('nothing was changed by any of it', async (t) => {
  const listed = await pipeline('wm list --json', { env });
  t.equal(listed.stdout.trim().replace('[]', ''), '', listed.stdout);
  t.ok(servers().bucket);
});

/** A few rows as to-parquet hands them to s3-put. */
async function tinyTar(): Promise<Buffer> {
  const ended = await pipeline(`mysql-extract ${table} | to-parquet --split-rows 5 | base64`, { env });
  return Buffer.from(ended.stdout, 'base64');
}
