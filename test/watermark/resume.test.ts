import t from 'tap';
import { type Resume, parseResume, resumeOf, resumeText } from '../../src/watermark/resume.js';
import { type Backfill, emptyState } from '../../src/watermark/state.js';
import { said } from './said.js';

const fill: Backfill = { columns: ['id'], to: ['7'], until: '2024-01-01 00:00:00', run_id: 'r', status: 'running' };

t.test('what is printed is what is read back', async (t) => {
  const all: Resume[] = [
    { from: 'start' },
    { from: 'cursor', position: ['2024-01-01 00:00:00.000000', '9007199254740993'] },
    { from: 'cursor', position: ['', 'None'] },
    { from: 'backfill', position: ['a', '7'], until: '2024-01-01 00:00:00' },
    { from: 'backfill', position: ['7'], until: null },
  ];
  for (const one of all) t.same(parseResume(resumeText(one)), one);
});

t.test('a backfill under way goes on, unless there is a cursor already', async (t) => {
  const state = emptyState('');
  t.same(resumeOf(state), { from: 'start' });
  t.same(resumeOf({ ...state, backfill: fill }), { from: 'backfill', position: ['7'], until: fill.until });
  t.same(resumeOf({ ...state, backfill: { ...fill, status: 'complete' } }), { from: 'start' });
  t.same(resumeOf({ ...state, backfill: fill, cursor: ['x'] }), { from: 'cursor', position: ['x'] });
});

t.test('an empty text is refused and says "again": it is what a failed wm get leaves behind', async (t) => {
  t.match(await said(() => parseResume('')), /^truncated: --since is empty: .*failed \| .*null/);
  t.match(await said(() => parseResume(' \n')), /^truncated: --since is empty/);
  for (const text of ['x', '[]', '{}', '[1]', '"a"', '{"backfill":[]}', '{"backfill":["1"],"until":1}', 'undefined'])
    t.match(await said(() => parseResume(text)), /^usage: --since: expected/, text);
});
