/** The patches of `make mutants` still fit the sources; whether the tests notice them, only `make mutants` tells. */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { ROOT, applyMutant, mutants } from './mutant.js';

const all = await mutants();
t.ok(all.length >= 12);
for (const mutant of all) {
  t.test(mutant.name, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'mutant-'));
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    await cp(join(ROOT, 'src'), join(folder, 'src'), { recursive: true });
    await t.resolves(applyMutant(mutant, folder), 'a change of the source that breaks it asks for the same idea again');
    t.ok(mutant.tests.length > 0);
  });
}
