/** `wm verify`, `wm rebuild` and `wm prune`: looking after a chain. */
import type { Command, Invocation } from '../../cli/command.js';
import { parseCount, parseDuration } from '../../cli/parse.js';
import { connectS3 } from '../../connect/s3.js';
import { Failure } from '../../errors.js';
import { isFolder, parseLocation } from '../../location.js';
import { writeStdout } from '../../sink/stdout.js';
import { StoredObjects } from '../../source/objects.js';
import type { Draft } from '../../watermark/append.js';
import { audit } from '../../watermark/audit.js';
import type { Tail } from '../../watermark/chain.js';
import type { Objects } from '../../watermark/objects.js';
import { pack, planPack } from '../../watermark/pack.js';
import { rebuild, rebuiltState } from '../../watermark/rebuild.js';
import { totalsOf } from '../../watermark/state.js';
import { openStore, openTableChain } from '../watermark-store.js';
import { WM_FLAGS, cell, oneTable, printRecord, readable } from './output.js';

export const verify: Command = {
  summary: 'check the chain of a table and the objects it names',
  usage: 'verify TABLE [flags]',
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
    const objects = flags.on('chain-only') ? undefined : openObjects(invocation);
    const counts = { errors: 0, gone: 0 };
    for await (const finding of audit(chain, { objects, read: flags.on('read') })) {
      counts[finding.level === 'error' ? 'errors' : 'gone'] += 1;
      const { generation, url = '', message } = finding;
      const words = `${finding.level}: generation ${generation} ${url} ${message}`.replaceAll('  ', ' ');
      await writeStdout(readable(invocation) ? `${words}\n` : `${JSON.stringify({ table, ...finding })}\n`);
    }
    await printRecord(invocation, { table, generation: newest.generation, ok: counts.errors === 0, ...counts }, () => [
      `${table}: ${newest.generation} generations, ${counts.errors} errors, ${counts.gone} loaded objects gone`,
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
  usage: 'rebuild TABLE --from URL/ [flags]',
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
    const exists = (): Failure =>
      new Failure('conflict', `${table} has a chain`, { hint: `If it is damaged, \`wm force-reset ${table}\` first.` });
    const tail = await chain.tail();
    // After a force-reset the chain is empty though it has a number: that is where a rebuild belongs.
    if (tail && tail.link?.doc.kind !== 'force-reset') throw exists();
    const found = await rebuild(openObjects(invocation), folder, table, run_id);
    const receipts = [...found.backfill, ...found.incremental];
    const { to = null, cursor_columns = [] } = found.incremental.at(-1) ?? {};
    const commit = (_tail: Tail | undefined, next: number, at: string): Draft => {
      const state = rebuiltState(found, next, at);
      return { kind: 'rebuilt', run_id, read: 'incremental', cursor_columns, from: null, to, receipts, state };
    };
    const link = flags.on('dry-run') ? undefined : await chain.commit(commit, tail ?? null);
    const generation = link?.doc.generation ?? null;
    const { outside, gaps } = found;
    if (gaps > 0) {
      invocation.words.warn(
        `objects of the first load of ${table} are missing in ${gaps} places: cleaned after loading, or lost`,
      );
    }
    const begins = { first_load: found.backfill.length, from: found.incremental[0]?.from ?? null };
    const totals = { ...totalsOf(receipts), ...begins, to, gaps, outside };
    await printRecord(invocation, { table, generation, dry_run: generation === null, ...totals }, () => [
      `${table}: ${receipts.length} objects up to ${cell(to)}${generation === null ? ' (nothing committed)' : ` (generation ${generation})`}`,
      ...outside.map((url) => `not part of the series: ${url}`),
    ]);
  },
};

export const prune: Command = {
  summary: 'pack old generations into one file; says what it would do unless --delete',
  usage: 'prune TABLE [flags]',
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
      await printRecord(invocation, { table, ...plan, packed, noop: !plan, dry_run: !flags.on('delete') }, () => {
        const what = plan ? `generations ${plan.first} to ${plan.last}` : 'nothing to prune';
        return [`${table}: ${what}${packed ? ` are in ${packed}` : plan ? ' would be packed; add --delete' : ''}`];
      });
      if (packed === null) return;
    }
  },
};

function openObjects(invocation: Invocation): Objects {
  const endpoint = invocation.flags.text('endpoint-url');
  let client: ReturnType<typeof connectS3> | undefined;
  return new StoredObjects({
    s3: () => (client ??= connectS3(invocation.env, endpoint === undefined ? {} : { endpoint })),
    signal: invocation.signal,
  });
}
