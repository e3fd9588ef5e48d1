/** The import rules notice each kind of breach, and the line of it. */
import t from 'tap';
import { breachesOf, isReExportOnly } from './import-rules.js';

const rules = (file: string, text: string, barrels: string[] = []): string[] =>
  breachesOf(file, text, (imported) => barrels.includes(imported)).map(({ line, rule }) => `${line}: ${rule}`);

t.test('imports go one way', async (t) => {
  t.same(rules('command/wm.ts', "import { s3 } from '../connect/s3.js';"), []);
  t.match(rules('sink/file.ts', "\nimport { s3 } from '../connect/s3.js';"), [
    /^2: src\/sink must not import src\/connect/,
  ]);
  t.match(rules('column/a.ts', "const b = await import('../source/b.js');"), [
    /src\/column must not import src\/source/,
  ]);
  t.match(rules('codec/a.ts', "export { b } from '../command/b.js';"), [/src\/codec must not import src\/command/]);
  t.match(rules('errors.ts', "import { main } from './cli/main.js';"), [
    /a file directly in src must not import src\/cli/,
  ]);
  t.match(rules('cli/a.ts', "import { t } from '../../test/t.js';"), [/nothing from outside src/]);
  t.match(rules('misc/a.ts', "import { t } from '../errors.js';"), [/not in the map/]);
});

t.test('only src/cli touches the process', async (t) => {
  t.same(rules('cli/main.ts', 'process.exitCode = 1;'), []);
  t.same(rules('sink/stdout.ts', 'process.stdout.write("x");'), []);
  t.match(rules('sink/stdout.ts', 'process.exit();'), [/process\.exit$/]);
  t.match(rules('source/a.ts', 'const { env } = process;'), [/touches the process/]);
  t.match(rules('source/a.ts', "import process from 'node:process';"), [/touches the process/, /touches the process/]);
  t.match(rules('source/a.ts', 'globalThis.process.env'), [/touches the process/]);
  t.same(rules('source/a.ts', 'other.process.env; const row = { process: 1 };'), []);
});

t.test('only src/connect constructs vendor clients', async (t) => {
  const s3 = "import { S3Client as Client, PutObjectCommand } from '@aws-sdk/client-s3';\n";
  t.match(rules('source/a.ts', `${s3}new Client({});`), [/^2: .*S3Client/]);
  t.same(rules('source/a.ts', `${s3}new PutObjectCommand({});`), []);
  t.same(rules('connect/s3.ts', `${s3}new Client({});`), []);
  t.match(rules('source/a.ts', "import pg from 'pg';\nnew pg.Pool();"), [/^2: .*Pool/]);
  t.match(rules('sink/a.ts', "const { default: pg } = await import('pg');\nnew pg.Client();"), [/^2: .*Client/]);
  t.match(rules('sink/a.ts', "const { createPool } = await import('mysql2');\ncreatePool();"), [/^2: .*createPool/]);
});

t.test('nobody imports a file that only re-exports', async (t) => {
  t.match(rules('plan/a.ts', "import { b } from './index.js';", ['plan/index.ts']), [/only re-exports/]);
  t.ok(isReExportOnly("import { b } from './b.js';\nexport * from './a.js';"));
  t.notOk(isReExportOnly("export * from './a.js';\nexport const b = 1;"));
});
