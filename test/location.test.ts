import t from 'tap';
import { codeOf } from '../src/errors.js';
import { below, isFolder, locationText, parseLocation } from '../src/location.js';

t.test('locations survive a round trip', async (t) => {
  for (const text of ['s3://lake/a/b/', 's3://lake/', 'file:///tmp/x/', 's3://lake/ü/é space', 's3://lake/a//b']) {
    t.equal(locationText(parseLocation(text)), text);
  }
  t.same(parseLocation('s3://lake'), { scheme: 's3', bucket: 'lake', key: '' });
  t.ok(isFolder(parseLocation('s3://lake')));
  t.notOk(isFolder(parseLocation('s3://lake/file')));
  t.equal(locationText(below(parseLocation('s3://lake/a'), 'b.parquet')), 's3://lake/a/b.parquet');
});

t.test('everything else is a usage error before anything is contacted', async (t) => {
  const bad = [
    'lake/a',
    'http://x/y',
    's3://',
    's3:///key',
    's3://UPPER/x',
    's3://lake/../x',
    's3://lake/a/./b',
    's3://lake/a\nb',
    's3://lake/\0',
    'file://host/x',
    'file:x',
    'file:///a/../b',
    `s3://lake/${'k'.repeat(1025)}`,
  ];
  for (const text of bad) {
    try {
      parseLocation(text);
      t.fail(JSON.stringify(text));
    } catch (error) {
      t.equal(codeOf(error), 64, JSON.stringify(text.slice(0, 20)));
    }
  }
  t.throws(() => below(parseLocation('file:///a/'), '../b'));
});
