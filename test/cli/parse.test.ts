import t, { type Test } from 'tap';
import { parseCount, parseDuration, parseSize, parseTable } from '../../src/cli/parse.js';
import { codeOf } from '../../src/errors.js';

const refuses = (t: Test, parse: () => unknown, label: string): void => {
  try {
    parse();
    t.fail(label);
  } catch (error) {
    t.equal(codeOf(error), 64, label);
  }
};

t.test('sizes', async (t) => {
  const sizes = {
    '64MiB': 64 * 2 ** 20,
    '500MB': 5e8,
    '4096': 4096,
    '1_000_000': 1e6,
    '1.5GiB': 1.5 * 2 ** 30,
    '7B': 7,
  };
  for (const [text, bytes] of Object.entries(sizes)) t.equal(parseSize(text, '--x'), bytes);
  for (const text of ['64M', '1k', '', 'x', '-5', '1 zib', '99999999999TiB'])
    refuses(t, () => parseSize(text, '--x'), text);
  t.throws(() => parseSize('64M', '--x'), { message: /64MiB .* 64MB/ });
});

t.test('durations', async (t) => {
  const durations = { '500ms': 500, '30s': 30_000, '1h30m': 5_400_000, '7d': 604_800_000, '0': 0, '1.5s': 1500 };
  for (const [text, ms] of Object.entries(durations)) t.equal(parseDuration(text, '--x'), ms);
  for (const text of ['30', '', 's', '1M', '1y', '-1s']) refuses(t, () => parseDuration(text, '--x'), text);
});

t.test('counts', async (t) => {
  t.equal(parseCount('50_000', '--x'), 50_000);
  for (const text of ['0', '-1', '1.5', '1e3', '9007199254740993', '']) refuses(t, () => parseCount(text, '--x'), text);
});

t.test('tables', async (t) => {
  t.same(parseTable('shop.orders'), { schema: 'shop', table: 'orders' });
  t.same(parseTable('`a.b`.`c``d`'), { schema: 'a.b', table: 'c`d' });
  t.same(parseTable('shop."; DROP'), { schema: 'shop', table: '"; DROP' });
  for (const text of ['orders', 'a.b.c', '.x', 'x.', '', 'a.`b', 'a\u0000.b']) refuses(t, () => parseTable(text), text);
});
