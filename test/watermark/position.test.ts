import t from 'tap';
import { comparePositions, positionOfJson, positionOfTimestamp, samePosition } from '../../src/watermark/position.js';
import { said } from './said.js';

t.test('order is answered where the text proves it, and nowhere else', async (t) => {
  t.equal(comparePositions(null, null), 0);
  t.equal(comparePositions(null, ['0']), -1);
  t.equal(comparePositions(['9007199254740993'], ['9007199254740992']), 1, '64-bit ids keep their digits');
  t.equal(comparePositions(['18446744073709551615'], ['18446744073709551614']), 1);
  t.equal(comparePositions(['-5'], ['3']), -1);
  t.equal(comparePositions(['10'], ['9']), 1, 'numbers, not text');
  t.equal(comparePositions(['2024-01-01 00:00:00'], ['2024-01-01 00:00:00.000000']), 0);
  t.equal(comparePositions(['2024-01-01 00:00:00.000001'], ['2024-01-01 00:00:00']), 1);
  t.equal(comparePositions(['2024-01-01'], ['2024-01-01 00:00:00', '7']), -1, 'a prefix stands before');
  t.equal(comparePositions(['2024-01-01 00:00:00', '8'], ['2024-01-01 00:00:00', '7']), 1);
  t.equal(comparePositions(['a'], ['B']), undefined, "collations are the server's");
  t.equal(comparePositions(['a'], ['a']), 0);
  t.equal(comparePositions(['1.5'], ['1.6']), undefined);
  t.equal(comparePositions(['2024-01-01 00:00:00'], ['5']), undefined);
});

t.test('same means same text and count', async (t) => {
  t.ok(samePosition(['1', ''], ['1', '']));
  t.notOk(samePosition(['1'], ['1', '']));
  t.notOk(samePosition(['1'], ['01']));
  t.notOk(samePosition(null, []));
});

t.test('a timestamp is a real date and time, or 64', async (t) => {
  t.same(positionOfTimestamp('2024-02-29 23:59:59.123456'), ['2024-02-29 23:59:59.123456']);
  t.same(positionOfTimestamp('2024-01-01'), ['2024-01-01']);
  const wrong = [
    '',
    'None',
    'NULL',
    'null',
    '0000-00-00 00:00:00',
    '2023-02-29',
    '2024-13-01',
    '2024-01-01 24:00:00',
    '2024-00-10',
    '2024-01-01T00:00:00',
    '2024-01-01 00:00:00.1234567',
    '1704067200',
    "2024-01-01' OR 1=1",
    ' 2024-01-01',
    '2024-01-01 12:60:00',
    '2024-06-00',
  ];
  for (const text of wrong) t.match(await said(() => positionOfTimestamp(text)), /^usage: /, JSON.stringify(text));
});

t.test('a cursor is a JSON array of strings; values that look like nothing must be meant', async (t) => {
  t.same(positionOfJson('["2024-01-01 00:00:00","9007199254740993"]', false), [
    '2024-01-01 00:00:00',
    '9007199254740993',
  ]);
  for (const text of ['', '[]', '{}', 'null', '[null]', '[1]', '["a",2]', '"a"', '[["a"]]', 'None']) {
    t.match(await said(() => positionOfJson(text, true)), /^usage: /, text);
  }
  for (const text of [
    '["None"]',
    '["NULL"]',
    '["null","1"]',
    '[""]',
    '["NaN"]',
    '["0000-00-00 00:00:00"]',
    '[" none "]',
  ]) {
    t.match(await said(() => positionOfJson(text, false)), /^usage: .*--literal/, text);
    t.ok(positionOfJson(text, true), text);
  }
});
