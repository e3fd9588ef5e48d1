/** `wm`: the watermark chain of a table. Each verb is a file of its own. */
import type { CommandSet } from '../cli/command.js';
import advance from './wm/advance.js';
import get from './wm/get.js';
import { diff, history } from './wm/history.js';
import list from './wm/list.js';
import { lock, runLocked, unlock } from './wm/lock.js';
import { loaded, pending } from './wm/pending.js';
import probe from './wm/probe.js';
import { prune, rebuilt, verify } from './wm/repair.js';
import { forceResetCommand, resetCommand, restoreCommand } from './wm/reset.js';
import set from './wm/set.js';
import { exported, imported } from './wm/transfer.js';

export default {
  summary: 'the watermark chain: what was extracted, stored and loaded',
  examples: [
    'mysql-extract shop.orders --since "$(wm get shop.orders --format cursor)" | to-parquet --split-size 64MiB | s3-put s3://lake/incremental/ | wm advance shop.orders | rs-copy analytics.orders --from-store shop.orders',
    'wm list',
    'wm history shop.orders',
  ],
  verbs: {
    get,
    set,
    list,
    history,
    diff,
    advance,
    pending,
    loaded,
    reset: resetCommand,
    'force-reset': forceResetCommand,
    restore: restoreCommand,
    export: exported,
    import: imported,
    verify,
    rebuild: rebuilt,
    prune,
    lock,
    unlock,
    run: runLocked,
    probe,
  },
} satisfies CommandSet;
