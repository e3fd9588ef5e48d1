/** The first row that is written and not committed is found, wherever it is, while other rows come and go. */
import mysql from 'mysql2';
import t from 'tap';
import { MysqlSession } from '../../src/mysql-session.js';
import { beside } from '../../src/plan/keyset.js';
import { tableSource } from '../../src/plan/read-plan.js';
import { firstUncommitted } from '../../src/plan/uncommitted.js';
import { connectSource, servers } from '../support/servers.js';
import { Random } from '../torture/random.js';
import { scratch } from './scratch.js';

t.setTimeout(60_000);
const db = await scratch('uncommitted');
const session = new MysqlSession(mysql.createConnection(servers().mysqlUrl), '', 60_000);
const [slow, busy] = [await connectSource(db.name), await connectSource(db.name)];
t.teardown(async () => {
  slow.destroy();
  busy.destroy();
  await session.end();
  await db.drop();
});
const ROWS = 20_000;

await db.run(`CREATE TABLE moving (code VARCHAR(20) CHARACTER SET latin1 NOT NULL, n INT NOT NULL,
  update_at DATETIME(6) NOT NULL, PRIMARY KEY (code, n), KEY at (update_at))`);
await db.run(
  `INSERT INTO moving SELECT CONCAT('ä', seq), seq, '2024-05-01' + INTERVAL seq SECOND FROM seq_1_to_${ROWS}`,
);
const key = [
  { name: 'update_at', type: 'datetime(6)' },
  { name: 'code', type: 'varchar(20)' },
  { name: 'n', type: 'int' },
];
const unread = {
  from: tableSource({ schema: db.name, table: 'moving' }, 'at'),
  key,
  conditions: [beside(key, '>=', ['2024-05-01 00:00:00']), beside(key, '<', ['2024-05-02'])],
};

t.test('rows that are changed and committed are not taken for it', async (t) => {
  let stop = false;
  const moving = (async () => {
    for (let n = 1; !stop; n += 7) await busy.query('UPDATE moving SET update_at = NOW(6) WHERE n = ?', [n]);
  })();
  for (let round = 0; round < 5; round += 1) t.equal(await firstUncommitted(session, unread), null);
  stop = true;
  await moving;
});

t.test('inserted, moved or far back: the first of them is found', async (t) => {
  const random = new Random('first uncommitted');
  for (let round = 0; round < 12; round += 1) {
    await slow.beginTransaction();
    const seconds = Array.from({ length: random.whole(1, 3) }, () => random.whole(1, ROWS));
    for (const second of seconds) {
      const at = `'2024-05-01 00:00:00.5' + INTERVAL ${second} SECOND`;
      await slow.query(
        random.chance(0.5)
          ? `INSERT IGNORE INTO moving VALUES ('new', ${second}, ${at})`
          : `UPDATE moving SET update_at = ${at} WHERE n = ${ROWS - second}`,
      );
    }
    await slow.query('DELETE FROM moving WHERE n = 5');
    const expected = new Date(Date.parse('2024-05-01T00:00:00.500Z') + Math.min(...seconds) * 1_000).toISOString();
    const found = await firstUncommitted(session, unread);
    t.equal(found?.[0]?.slice(0, 21), expected.slice(0, 21).replace('T', ' '), `of ${seconds.join(', ')}`);
    await slow.rollback();
    t.equal(await firstUncommitted(session, unread), null, 'and none once it is rolled back');
  }
});
