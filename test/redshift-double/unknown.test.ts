/**
 * Rule 65 at large: everything the PostgreSQL behind the double knows (functions, types, settings, catalogues, words)
 * is tried, and statements are changed at random. What the double has not been told of must never get there: a
 * canary function behind it counts who comes by.
 */
import pg from 'pg';
import t from 'tap';
import { type Cluster, startCluster } from './cluster.js';

t.setTimeout(120_000);
const cluster: Cluster = await startCluster(t);
await cluster.sql('CREATE TABLE t (id INTEGER, word VARCHAR(20))');
await cluster.sql('CREATE TABLE u (id INTEGER, word VARCHAR(20))');
await cluster.sql("INSERT INTO t VALUES (1, 'one')");
const behind = new pg.Client({ connectionString: cluster.behind });
await behind.connect();
t.teardown(() => behind.end());
await behind.query('CREATE SEQUENCE public.seen; CREATE TABLE public.canary_table (id INTEGER)');
await behind.query(
  "CREATE FUNCTION public.canary() RETURNS integer LANGUAGE sql AS 'SELECT nextval(''public.seen'')::integer'",
);

async function names(sql: string): Promise<string[]> {
  const { rows } = await behind.query<[string]>({ text: sql, rowMode: 'array' });
  return rows.map(([name]) => name);
}

/** Those of the statements that were carried out. A refusal must be one of the double's own. */
async function accepted(
  statements: readonly (readonly [name: string, sql: string])[],
  { client = cluster.client, afterwards = '' } = {},
): Promise<string[]> {
  const found: string[] = [];
  for (const [name, sql] of statements) {
    try {
      await client.query(sql);
      found.push(name);
    } catch (error) {
      const { message } = error as Error;
      if (/internal error of the double|permission denied for function/.test(message)) throw error;
    }
    if (afterwards !== '') await client.query(afterwards);
  }
  return found.sort();
}

async function canary(): Promise<string | undefined> {
  return (await names('SELECT is_called::text FROM public.seen'))[0];
}

t.test('no function of PostgreSQL is reached by its name', async (t) => {
  const all = await names('SELECT DISTINCT proname FROM pg_proc ORDER BY 1');
  t.ok(all.length > 2_500, `${all.length} functions`);
  const called = await accepted(
    [...all, 'canary', 'public.canary'].flatMap((name) => [
      [name, `SELECT ${name}()`],
      [name, `SELECT pg_catalog.${name}()`],
    ]),
  );
  t.same(
    [...new Set(called)],
    'current_database current_schema getdate now pg_backend_pid pg_last_copy_count pg_last_copy_id version'.split(' '),
  );
  t.equal(await canary(), 'false');
});

t.test('no type of PostgreSQL but those Redshift has', async (t) => {
  const all = await names("SELECT typname FROM pg_type WHERE typname ~ '^[a-z]' ORDER BY 1");
  t.ok(all.length > 150, `${all.length} types`);
  const made = await accepted(all.map((name) => [name, `CREATE TEMP TABLE "made_${name}" (c ${name})`]));
  t.same(
    made,
    'bool bpchar char date float4 float8 geography geometry hllsketch int2 int4 int8 numeric text time timestamp timestamptz timetz varchar'.split(
      ' ',
    ),
  );
  const cast = await accepted(all.map((name) => [name, `SELECT NULL::${name}`]));
  t.same(
    cast.filter((name) => !made.includes(name)),
    [],
  );
});

t.test('no catalogue and no setting of PostgreSQL but those a loader asks for', async (t) => {
  const relations = await names(
    "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'v') AND n.nspname IN ('pg_catalog', 'information_schema', 'redshift_double') ORDER BY 1",
  );
  t.ok(relations.length > 150, `${relations.length} tables and views`);
  const read = await accepted(relations.map((name) => [name, `SELECT * FROM ${name}`]));
  t.same(
    read.filter(
      (name) => !/^information_schema\.(?:columns|tables|schemata|table_constraints|key_column_usage)$/.test(name),
    ),
    [],
  );
  const settings = await names('SELECT name FROM pg_settings ORDER BY 1');
  const client = await cluster.session();
  const set = await accepted(
    settings.map((name) => [name, `SET ${name} TO '0'`]),
    { client },
  );
  const shown = await accepted(settings.map((name) => [name, `SHOW ${name}`]));
  const known =
    /^(?:application_name|client_encoding|client_min_messages|datestyle|extra_float_digits|search_path|server_version|server_encoding|standard_conforming_strings|statement_timeout|timezone|transaction_isolation|integer_datetimes|is_superuser|session_authorization)$/i;
  t.same(
    [...set, ...shown].filter((name) => !known.test(name)),
    [],
  );
});

t.test('no statement begins with a word the double does not know', async (t) => {
  const words = await names('SELECT word FROM pg_get_keywords() ORDER BY 1');
  t.ok(words.length > 400, `${words.length} words`);
  const tried = words.flatMap((word) => ['', ' TABLE nothing'].map((rest) => [word, `${word}${rest}`] as const));
  const begun = await accepted(tried, { afterwards: 'ROLLBACK' });
  t.same([...new Set(begun)], ['abort', 'analyse', 'analyze', 'begin', 'commit', 'end', 'rollback', 'vacuum']);
});

const SEEDS = [
  "SELECT t.id, count(*) FROM t JOIN u ON t.id = u.id WHERE t.word LIKE 'a%' GROUP BY t.id ORDER BY 1 LIMIT 3",
  'INSERT INTO t (id, word) SELECT id, word FROM u WHERE id IN (1, 2) AND word IS NOT NULL',
  'UPDATE t SET word = u.word FROM u WHERE t.id = u.id',
  'DELETE FROM t USING u WHERE t.id = u.id',
  'MERGE INTO t USING u AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET word = s.word WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.word)',
  'CREATE TEMP TABLE x (id INTEGER NOT NULL, word VARCHAR(20) ENCODE zstd) DISTKEY (id) SORTKEY (word)',
  'ALTER TABLE t ADD COLUMN more DECIMAL(10,2)',
  'LOCK TABLE t',
  "COPY t (id, word) FROM 's3://bucket/key' IAM_ROLE default FORMAT AS PARQUET MANIFEST",
];
const STRANGERS =
  'canary() public.canary() public.canary_table RETURNING ON CONFLICT LATERAL FILTER OVER ARRAY[1] ROW(1) :: -> #>> @> ~ || ; ( ) , $1 $$x$$ E\'x\' "canary" CAST JSONB pg_sleep(9) FOR UPDATE TABLESAMPLE WITH RECURSIVE VALUES (1) ONLY *'.split(
    ' ',
  );

t.test('statements changed at random: an answer each time, and nothing comes by the canary', async (t) => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  t.comment(`SEED=${seed}`);
  const random = numbers(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const outcomes = new Map<string, number>();
  for (let round = 0; round < 500; round += 1) {
    const words = pick(SEEDS).split(' ');
    for (let change = 0; change <= random() * 3; change += 1) {
      const at = Math.floor(random() * words.length);
      const kind = random();
      if (kind < 0.5) words.splice(at, 0, pick(STRANGERS));
      else if (kind < 0.7) words.splice(at, 1);
      else if (kind < 0.9) words.splice(at, 1, pick(STRANGERS));
      else words.splice(at, 0, pick(pick(SEEDS).split(' ')));
    }
    const sql = words.join(' ');
    await cluster.client.query('BEGIN');
    const code = await cluster.client.query(sql).then(
      () => 'ok',
      (error: pg.DatabaseError) =>
        /internal error of the double/.test(error.message) ? `internal: ${sql}` : error.code,
    );
    await cluster.client.query('ROLLBACK');
    const key = String(code);
    outcomes.set(key, (outcomes.get(key) ?? 0) + 1);
  }
  t.same(
    [...outcomes.keys()].filter((code) => code.startsWith('internal')),
    [],
  );
  t.ok((outcomes.get('42601') ?? 0) > 100, JSON.stringify([...outcomes]));
  t.equal(await canary(), 'false', 'nobody came by');
  t.equal(await cluster.value('SELECT word FROM t'), 'one', 'and the session still serves');
});

/** Numbers from 0 to 1 that a seed repeats (mulberry32). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
