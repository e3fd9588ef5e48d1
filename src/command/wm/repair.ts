/** `wm verify`, `wm rebuild` and `wm prune`: looking after a chain. */
import type { Command } from '../../cli/command.js';
import { parseCount, parseDuration } from '../../cli/parse.js';
import { Failure } from '../../errors.js';
import { isFolder, parseLocation } from '../../location.js';
import { writeStdout } from '../../sink/stdout.js';
import { StoredObjects } from '../../source/objects.js';
import { audit } from '../../watermark/audit.js';
import { pack, planPack } from '../../watermark/pack.js';
import { rebuildChain } from '../../watermark/rebuild.js';
import { totalsOf } from '../../watermark/state.js';
import { objectAccess } from '../object-access.js';
import { openStore, openTableChain } from '../watermark-store.js';
import { WM_FLAGS, cell, oneTable, printRecord, readable } from './output.js';

export const verify: Command = {
  summary: 'check the chain of a table and the objects it names',
  usage: 'TABLE [flags]',
  examples: ['wm verify shop.orders', 'wm verify shop.orders --read'],
  flags: [
    ...WM_FLAGS,
    { name: 'read', help: 'read every object and compute its checksum' },
    { name: 'chain-only', help: 'leave out the objects' },
  ],
  async run(invocation) {
    const { flags } = invocation;
    const table = oneTable(invocation, 'verify TABLE');
    const chain = openTableChain(await openStore(invocation), table, invocation);
    const newest = await chain.tail();
    if (!newest) throw new Failure('no-input', `${table} has no chain in ${chain.store.url}`);
    const objects = flags.on('chain-only') ? undefined : new StoredObjects(objectAccess(invocation));
    const counts = { generations: 0, errors: 0, gone: 0 };
    const onGeneration = (): void => void (counts.generations += 1);
    for await (const finding of audit(chain, { objects, read: flags.on('read'), onGeneration })) {
      counts[finding.level === 'error' ? 'errors' : 'gone'] += 1;
      const { generation, url = '', message } = finding;
      const words = `${finding.level}: generation ${generation} ${url} ${message}`.replaceAll('  ', ' ');
      await writeStdout(readable(invocation) ? `${words}\n` : `${JSON.stringify({ table, ...finding })}\n`);
    }
    await printRecord(invocation, { table, generation: newest.generation, ok: counts.errors === 0, ...counts }, () => [
      `${table}: ${counts.generations} generations, ${counts.errors} errors, ${counts.gone} loaded objects gone`,
    ]);
    if (counts.errors > 0) {
      throw new Failure('data', `${table}: ${counts.errors} errors in the chain`, {
        hint: 'They are listed on stdout.',
      });
    }
  },
};

export const rebuilt: Command = {
  summary: 'make a lost chain again from the metadata in the objects',
  usage: 'TABLE --from URL/ [flags]',
  examples: ['wm rebuild shop.orders --from s3://lake/incremental/shop.orders/ -n'],
  flags: [
    ...WM_FLAGS,
    { name: 'from', value: 'URL', help: 'the folder with the Parquet objects of the table' },
    { name: 'dry-run', short: 'n', help: 'say what would be committed' },
  ],
  async run(invocation) {
    const { flags, runId: run_id } = invocation;
    const table = oneTable(invocation, 'rebuild TABLE --from URL/');
    const folder = flags.text('from');
    if (folder === undefined || !isFolder(parseLocation(folder))) {
      throw new Failure('usage', 'wm rebuild needs --from URL/, a folder (it ends in /)');
    }
    const chain = openTableChain(await openStore(invocation), table, invocation);
    const dryRun = flags.on('dry-run');
    const found = await rebuildChain(chain, new StoredObjects(objectAccess(invocation)), folder, { run_id, dryRun });
    const { receipts, generation, noop, outside, gaps } = found;
    if (gaps > 0) {
      invocation.words.warn(
        `objects of the first load of ${table} are missing in ${gaps} places: cleaned after loading, or lost`,
      );
    }
    const begins = { first_load: found.backfill.length, from: found.incremental[0]?.from ?? null };
    const to = found.incremental.at(-1)?.to ?? null;
    const totals = { ...totalsOf(receipts), ...begins, to, gaps, outside };
    await printRecord(invocation, { table, generation, noop, dry_run: dryRun, ...totals }, () => [
      `${table}: ${receipts.length} objects up to ${cell(to)} (${generation === null ? 'nothing committed' : `generation ${generation}${noop ? ' already' : ''}`})`,
      ...outside.map((url) => `not part of the series: ${url}`),
    ]);
  },
};

export const prune: Command = {
  summary: 'pack old generations into one file; says what it would do unless --delete',
  usage: 'TABLE [flags]',
  examples: ['wm prune shop.orders', 'wm prune shop.orders --keep 1000 --older-than 30d --delete'],
  flags: [
    ...WM_FLAGS,
    { name: 'keep', value: 'N', default: '1000', help: 'newest generations that stay' },
    { name: 'older-than', value: 'TIME', default: '7d', help: 'younger generations stay; at least 1d' },
    { name: 'delete', help: 'do it' },
  ],
  async run(invocation) {
    const { flags, signal } = invocation;
    const table = oneTable(invocation, 'prune TABLE');
    const keep = parseCount(flags.text('keep') ?? '1000', '--keep');
    const ageMs = parseDuration(flags.text('older-than') ?? '7d', '--older-than');
    // A writer that slept through a prune could meet a number that is free again: nobody sleeps a day unnoticed.
    if (ageMs < 86_400_000) throw new Failure('usage', '--older-than: at least 1d');
    const store = await openStore(invocation);
    const chain = openTableChain(store, table, invocation);
    for (let packs = 0; ; packs += 1) {
      const plan = await planPack(chain, keep, store.now() - ageMs);
      if (!plan && packs > 0) return;
      const packed = plan && flags.on('delete') ? await pack(chain, plan, signal) : null;
      await printRecord(
        invocation,
        { table, first: plan?.first, last: plan?.last, packed, noop: !plan, dry_run: !flags.on('delete') },
        () => {
          const what = plan ? `generations ${plan.first} to ${plan.last}` : 'nothing to prune';
          return [`${table}: ${what}${packed ? ` are in ${packed}` : plan ? ' would be packed; add --delete' : ''}`];
        },
      );
      if (packed === null) return;
    }
  },
};
