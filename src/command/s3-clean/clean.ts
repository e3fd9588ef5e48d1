/**
 * `s3-clean clean`: says what would be removed, and removes it with --delete. What a generation names and is not
 * loaded stays unless --force. Before each request that removes, the chains are read once more, those that were begun
 * meanwhile too, and so are the times of the objects: a run that finds its objects there already writes the old ones
 * again before it has them committed (sink/renewal.ts), and what was written since the list stays.
 */
import type { Command, Invocation } from '../../cli/command.js';
import { parseDuration } from '../../cli/parse.js';
import { Failure } from '../../errors.js';
import { failpoint } from '../../failpoint.js';
import { parseLocation } from '../../location.js';
import { REMOVED_AT_ONCE, abortUpload, removeObjects } from '../../sink/removal.js';
import { writeStdout } from '../../sink/stdout.js';
import { stdinIsTerminal, typedLine } from '../../source/stdin.js';
import { readable } from '../wm/output.js';
import type { Judge, Judged, ObjectState } from './judge.js';
import type { ObjectAccess } from '../../source/object.js';
import { objectAccess } from '../object-access.js';
import { CLEAN_FLAGS, clockOf, folderOf, recordOf } from './place.js';

const DAY_MS = 86_400_000;

const command: Command = {
  summary: 'remove old objects; says what it would do unless --delete',
  usage: 'URL/ --older-than TIME [--orphans] [--uploads] [--loaded] [flags]',
  examples: [
    's3-clean clean s3://lake/incremental/ --orphans --uploads --older-than 7d',
    's3-clean clean s3://lake/incremental/ --loaded --older-than 30d --delete --yes',
  ],
  flags: [
    { name: 'older-than', value: 'TIME', default: '7d', help: 'younger ones stay; at least 1d without --force' },
    { name: 'orphans', help: 'objects of ours that no generation names' },
    { name: 'uploads', help: 'unfinished uploads' },
    { name: 'loaded', help: 'objects that are in the warehouse' },
    { name: 'stored', help: 'objects that are not loaded; their rows are lost to every later load (needs --force)' },
    { name: 'delete', help: 'do it' },
    { name: 'yes', help: 'do not ask, also on a terminal' },
    { name: 'force', help: 'allow what loses data' },
    ...CLEAN_FLAGS,
  ],
  async run(invocation) {
    const plan = planOf(invocation);
    const access = objectAccess(invocation);
    // Not before it is needed: it knows the chains and the warehouse, and --help needs neither.
    const { Judge } = await import('./judge.js');
    const judge = await Judge.of(plan.folder, invocation, access);
    const now = await clockOf(plan.folder, access);
    const due = async function* (): AsyncGenerator<Judged> {
      for await (const one of judge.all()) {
        // The store tells its clock in whole seconds: what has just begun must not look younger than nothing.
        if (plan.states.has(one.state) && Math.max(0, now() - one.modified) >= plan.ageMs) yield one;
      }
    };
    if (plan.states.has('orphan') && judge.knowsNothing) doubt(plan, invocation);
    if (plan.act && !plan.sure) await ask(due(), plan.folder, invocation);
    const removal = new Removal(judge, plan, access, invocation, now);
    for await (const one of due()) await removal.add(one);
    await removal.finish();
  },
};

export default command;

interface Plan {
  folder: string;
  states: ReadonlySet<ObjectState>;
  ageMs: number;
  act: boolean;
  /** Nobody is to be asked. */
  sure: boolean;
  force: boolean;
}

function planOf(invocation: Invocation): Plan {
  const { flags } = invocation;
  const folder = folderOf(invocation, 'clean');
  const place = parseLocation(folder);
  if ((place.scheme === 's3' ? place.key : place.path.replace(/^\/+/, '')) === '') {
    throw new Failure('usage', `${folder} is the root of a bucket`, { hint: 'Name a folder in it.' });
  }
  const force = flags.on('force');
  const ageMs = parseDuration(flags.text('older-than') ?? '7d', '--older-than');
  // A younger object may belong to a run that has not committed yet.
  if (ageMs < DAY_MS && !force) throw new Failure('usage', '--older-than: at least 1d, or --force');
  if (flags.on('stored') && !force) {
    throw new Failure('usage', '--stored removes what was never loaded', { hint: 'Add --force if that is meant.' });
  }
  const chosen: [string, ObjectState][] = [
    ['orphans', 'orphan'],
    ['uploads', 'upload'],
    ['loaded', 'loaded'],
    ['stored', 'stored'],
  ];
  const states = new Set(chosen.filter(([flag]) => flags.on(flag)).map(([, state]) => state));
  if (states.size === 0) throw new Failure('usage', 'nothing chosen: add --orphans, --uploads or --loaded');
  const sure = flags.on('yes') || !stdinIsTerminal();
  return { folder, states, ageMs, act: flags.on('delete'), sure, force };
}

/** A store of other tables makes orphans of everything. */
function doubt({ folder, act, force }: Plan, { words }: Invocation): void {
  const message = `no generation and no ledger names anything below ${folder}: everything there would be an orphan`;
  if (!act) words.warn(message);
  else if (!force) {
    throw new Failure('config', message, { hint: 'Is this its watermark store (--store)? If it is, add --force.' });
  }
}

/** Counts first; a person who types the folder means it. */
async function ask(due: AsyncIterable<Judged>, folder: string, { words, signal }: Invocation): Promise<void> {
  let count = 0;
  let bytes = 0;
  for await (const one of due) {
    count += 1;
    bytes += one.bytes ?? 0;
  }
  words.note(`${count} objects with ${bytes} bytes below ${folder} will be removed; type ${folder} to go on`);
  if ((await typedLine(signal)).trim() !== folder) throw new Failure('usage', 'not removed: that was not the folder');
}

class Removal {
  private batch: Judged[] = [];
  private readonly totals = { objects: 0, bytes: 0 };

  constructor(
    private readonly judge: Judge,
    private readonly plan: Plan,
    private readonly access: Required<ObjectAccess>,
    private readonly invocation: Invocation,
    private readonly now: () => number,
  ) {}

  async add(one: Judged): Promise<void> {
    this.batch.push(one);
    if (this.batch.length >= REMOVED_AT_ONCE) await this.flush();
  }

  async finish(): Promise<void> {
    await this.flush();
    const dry_run = !this.plan.act;
    const { objects, bytes } = this.totals;
    const record = { type: 'end', status: 'complete', ...this.totals, dry_run, noop: objects === 0 };
    const words = `${objects} objects, ${bytes} bytes ${dry_run ? 'would be removed; add --delete' : 'removed'}`;
    await writeStdout(readable(this.invocation) ? `${words}\n` : `${JSON.stringify(record)}\n`);
  }

  private async flush(): Promise<void> {
    const batch = this.batch;
    this.batch = [];
    if (batch.length > 0) for (const one of this.plan.act ? await this.remove(batch) : batch) await this.say(one);
  }

  /** Resolves to those that are gone: some may have been committed or written again since they were listed. */
  private async remove(batch: readonly Judged[]): Promise<readonly Judged[]> {
    const { judge, access } = this;
    await judge.refresh();
    const uploads = batch.filter(({ uploadId }) => uploadId !== undefined);
    const objects = batch.filter(({ state, uploadId, url }) => uploadId === undefined && judge.stateOf(url) === state);
    for (const { url, uploadId = '' } of uploads) await abortUpload(url, uploadId, access);
    await failpoint('s3-clean.before-removal');
    const kept = await removeObjects(objects, (some, signal) => judge.look(some, signal), access);
    await failpoint('s3-clean.after-removal');
    return [...objects.filter(({ url }) => !kept.has(url)), ...uploads];
  }

  private async say(one: Judged): Promise<void> {
    const { act } = this.plan;
    this.totals.objects += 1;
    this.totals.bytes += one.bytes ?? 0;
    const line = readable(this.invocation)
      ? `${act ? 'removed' : 'would remove'} ${one.state} ${one.url}`
      : JSON.stringify({ ...recordOf(one, this.now()), dry_run: !act });
    await writeStdout(`${line}\n`);
  }
}
