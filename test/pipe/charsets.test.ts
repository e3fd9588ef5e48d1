/**
 * Every character set of the server, with every character of the first 65,536 that it has (and some beyond them),
 * through the programs: what comes out is what the server says the text is.
 */
import t from 'tap';
import { type Scratch, extract, scratch } from '../plan/scratch.js';
import { demandCode } from '../support/program.js';

t.setTimeout(120_000);
const db: Scratch = await scratch('charsets');
t.teardown(() => db.drop());

/** Characters of one row. */
const BLOCK = 256;
const BEYOND = [0x1f600, 0x20000, 0x1d518, 0x10ff00];

await db.run("SET sql_mode = '', group_concat_max_len = 100000");
const charsets = (
  await db.run(
    "SELECT character_set_name AS name FROM information_schema.character_sets WHERE character_set_name <> 'binary' ORDER BY 1",
  )
).map(({ name }) => String(name));
const columns = charsets.map((name) => `\`${name}\` TEXT CHARACTER SET ${name}`).join(', ');
await db.run(`CREATE TABLE letters (id INT PRIMARY KEY, ${columns}) ROW_FORMAT=DYNAMIC`);
await db.run(`INSERT INTO letters (id, utf8mb4)
  SELECT seq DIV ${BLOCK}, GROUP_CONCAT(CONVERT(UNHEX(LPAD(HEX(seq), 8, '0')) USING utf32) ORDER BY seq SEPARATOR '')
  FROM seq_1_to_65535 WHERE seq NOT BETWEEN 55296 AND 57343 GROUP BY seq DIV ${BLOCK}`);
for (const [index, code] of BEYOND.entries()) {
  const text = String.fromCodePoint(...Array.from({ length: 200 }, (_, offset) => code + offset));
  await db.run(`INSERT INTO letters (id, utf8mb4) VALUES (${1000 + index}, ?)`, [text]);
}
// What a set has not becomes a question mark.
const others = charsets.filter((name) => name !== 'utf8mb4');
await db.run(`UPDATE letters SET ${others.map((name) => `\`${name}\` = utf8mb4`).join(', ')}`);

t.test(`${charsets.length} character sets`, async (t) => {
  const { rows, ended } = await extract([`${db.name}.letters`, '--cursor', 'none']);
  demandCode(ended);
  t.equal(rows.length, 65_536 / BLOCK - 2_048 / BLOCK + BEYOND.length);
  for (const name of charsets) {
    const source = await db.run(`SELECT id, HEX(CONVERT(\`${name}\` USING utf8mb4)) AS hex FROM letters ORDER BY id`);
    const wrong = source.filter(
      ({ hex }, row) => Buffer.from(String(rows[row]?.[name])).toString('hex') !== String(hex).toLowerCase(),
    );
    const letters = new Set(rows.flatMap((row) => Array.from(String(row[name]))));
    t.same(wrong.slice(0, 1), [], `${name}: ${letters.size} characters`);
    t.ok(letters.size > 90, 'of which it has some');
  }
});
