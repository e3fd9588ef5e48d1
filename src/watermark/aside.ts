/** Moving the generations before a force-reset out of the way: copied first, then removed, oldest first. */
import { failpoint } from '../failpoint.js';
import type { Chain } from './chain.js';
import { generationName, generationOfName } from './store.js';

export interface Aside {
  /** Where the old files are. */
  folder: string;
  moved: number;
}

/** Moves every generation before `generation`, packed ones too. Killed in between and run again, it goes on with the rest. */
export async function moveAside(chain: Chain, generation: number, signal: AbortSignal): Promise<Aside> {
  const { folder, store } = chain;
  const aside = `${folder}/_aside/${generationName(generation).replace('.json', '')}`;
  const packs = await move(chain, { from: `${folder}/_packed`, to: `${aside}/_packed`, before: generation }, signal);
  const files = await move(chain, { from: folder, to: aside, before: generation }, signal);
  return { folder: `${store.url}${store.url.endsWith('/') ? '' : '/'}${aside}/`, moved: packs + files };
}

async function move(
  { store }: Chain,
  { from, to, before }: { from: string; to: string; before: number },
  signal: AbortSignal,
): Promise<number> {
  let moved = 0;
  for (let after = ''; ; ) {
    const { entries } = await store.list(from, after, signal);
    const old = entries.filter(({ name }) => (generationOfName(name) ?? before) < before);
    if (old.length === 0) return moved;
    for (const { name } of old) {
      const bytes = await store.read(`${from}/${name}`, signal);
      if (bytes) await store.create(`${to}/${name}`, bytes, signal);
      await failpoint('wm.aside.copied');
      await store.remove(`${from}/${name}`, signal);
      moved += bytes ? 1 : 0;
      after = name;
    }
  }
}
