/** Moving the generations before a force-reset out of the way: copied first, then removed, oldest first. */
import { failpoint } from '../failpoint.js';
import type { Chain } from './chain.js';
import { generationName, generationOfName } from './store.js';

export interface Aside {
  /** Where the old files are. */
  folder: string;
  moved: number;
}

/** Moves every generation before `generation`. Killed in between and run again, it goes on with the rest. */
export async function moveAside(chain: Chain, generation: number, signal: AbortSignal): Promise<Aside> {
  const { store, folder } = chain;
  const aside = `${folder}/_aside/${generationName(generation).replace('.json', '')}`;
  let moved = 0;
  for (let after = ''; ; ) {
    const page = await store.list(folder, after, signal);
    const old = page.filter(({ name }) => (generationOfName(name) ?? generation) < generation);
    if (old.length === 0) return { folder: `${store.url}${store.url.endsWith('/') ? '' : '/'}${aside}/`, moved };
    for (const { name } of old) {
      const bytes = await store.read(`${folder}/${name}`, signal);
      if (bytes) await store.create(`${aside}/${name}`, bytes, signal);
      await failpoint('wm.aside.copied');
      await store.remove(`${folder}/${name}`, signal);
      moved += bytes ? 1 : 0;
      after = name;
    }
  }
}
