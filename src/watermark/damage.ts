/** A generation that cannot be read: what is said about it, and which one before it still can. */
import { Failure } from '../errors.js';
import type { Chain, Tail } from './chain.js';
import type { Link } from './generation.js';

/** The checked generation of a tail; throws, naming the last good generation, when it cannot be read. */
export async function linkOf(tail: Tail | undefined, chain: Chain): Promise<Link | undefined> {
  if (!tail?.trouble) return tail?.link;
  const good = await lastGood(chain, tail.generation);
  throw unreadable(tail.trouble, chain.table, tail.generation, good);
}

/** How far back the last readable generation is looked for. */
const LOOK_BACK = 100;

async function lastGood(chain: Chain, before: number): Promise<number | undefined> {
  for (let at = before - 1; at >= Math.max(1, before - LOOK_BACK); at -= 1) {
    const link = await chain.generation(at).catch(() => undefined);
    if (link) return at;
  }
  return undefined;
}

/** The failure for a generation that cannot be read, with what to do about it. */
export function unreadable(trouble: Failure, table: string, generation: number, good?: number): Failure {
  const last = good === undefined ? '' : `; the last good one is ${good}`;
  const repair = good === undefined ? `\`wm force-reset ${table}\`` : `\`wm restore ${table} --generation ${good}\``;
  return new Failure(trouble.kind, `generation ${generation} of ${table} cannot be read: ${trouble.message}${last}`, {
    cause: trouble.cause,
    hint: trouble.kind === 'config' ? (trouble.hint ?? '') : `See \`wm history ${table}\`, then ${repair}.`,
  });
}
