import t from 'tap';
import { type Flag, closest, parseFlags } from '../../src/cli/flags.js';
import { Failure, codeOf } from '../../src/errors.js';

const defined: Flag[] = [
  { name: 'since', value: 'CURSOR', env: ['SINCE'], help: '' },
  { name: 'batch-size', value: 'N', short: 'b', help: '' },
  { name: 'column', value: 'NAME', many: true, help: '' },
  { name: 'verbose', short: 'v', help: '' },
  { name: 'dry-run', short: 'n', help: '' },
];
const parse = (words: string[], env = {}): ReturnType<typeof parseFlags> => parseFlags(words, defined, env);
const code = (words: string[]): number => {
  try {
    parse(words);
    return 0;
  } catch (error) {
    return codeOf(error);
  }
};

t.test('values arrive exactly as typed', async (t) => {
  const values = [
    '00123',
    '',
    '9007199254740993',
    '1e3',
    'true',
    'false',
    '-5',
    '--verbose',
    '[1,"x"]',
    'a=b',
    '0x10',
    ' ',
  ];
  for (const value of values) {
    t.equal(parse([`--since=${value}`]).flags.text('since'), value);
    t.equal(parse(['--since', value]).flags.text('since'), value);
    t.equal(parse(['-b', value]).flags.text('batch-size'), value);
  }
  t.same(parse(['--column', '1', '--column=02']).flags.texts('column'), ['1', '02']);
});

t.test('operands, switches, clusters and the double dash', async (t) => {
  const { operands, flags } = parse(['0012', '-vn', '-', '--', '--since']);
  t.same(operands, ['0012', '-', '--since']);
  t.ok(flags.on('verbose') && flags.on('dry-run'));
  t.notOk(flags.typed('since'));
});

t.test('the environment supplies what was not typed; an empty value typed is not "not given"', async (t) => {
  t.equal(parse([], { SINCE: 'x' }).flags.text('since'), 'x');
  t.equal(parse(['--since='], { SINCE: 'x' }).flags.text('since'), '');
});

t.test('unknown flags, missing and surplus values are usage errors with a suggestion', async (t) => {
  t.equal(code(['--sinse', 'x']), 64);
  t.equal(code(['--since']), 64);
  t.equal(code(['--verbose=1']), 64);
  t.equal(code(['-x']), 64);
  t.equal(code(['--since', 'a\0b']), 64);
  t.throws(
    () => parse(['--sinse', 'x']),
    new Failure('usage', 'unknown flag --sinse', { hint: 'Did you mean --since?' }),
  );
  t.equal(closest('advnace', ['advance', 'list']), 'advance');
  t.equal(closest('zzz', ['advance', 'list']), undefined);
});
