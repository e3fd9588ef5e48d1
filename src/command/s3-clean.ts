/** `s3-clean`: what lies in the lake, and what of it can go. */
import type { CommandSet } from '../cli/command.js';
import clean from './s3-clean/clean.js';
import list from './s3-clean/list.js';

export default {
  summary: 'list and clean objects, judged by the watermark chains',
  examples: [
    's3-clean list s3://lake/incremental/',
    's3-clean clean s3://lake/incremental/ --orphans --uploads --older-than 7d',
    's3-clean clean s3://lake/incremental/ --loaded --older-than 30d --delete',
  ],
  verbs: { list, clean },
} satisfies CommandSet;
