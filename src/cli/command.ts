/** What a program hands to main(): its words for a person, its flags, and what it does. */
import type { Env, Flag, Flags } from './flags.js';
import type { Words } from './stderr.js';

export interface Invocation {
  operands: readonly string[];
  flags: Flags;
  env: Env;
  words: Words;
  /** Fires on SIGINT, SIGTERM, SIGHUP; its reason is a Failure. */
  signal: AbortSignal;
  /** One id per run of a pipeline when TABLEPIPE_RUN_ID is set, else one per program. */
  runId: string;
  /** `program/version`, for server-side session names. */
  agent: string;
}

export interface Command {
  /** One line. */
  summary: string;
  /** What follows the program name: `TABLE [flags]`. */
  usage: string;
  /** Lines that work as printed; the first shows the whole pipeline. */
  examples: readonly string[];
  flags: readonly Flag[];
  /** Resolves only when the contract is fulfilled; everything else throws. */
  run(invocation: Invocation): Promise<void>;
}

/** A program with subcommands: the first word picks one. */
export interface CommandSet {
  summary: string;
  examples: readonly string[];
  verbs: Readonly<Record<string, Command>>;
}

/** Flags every program has. */
export const COMMON_FLAGS: readonly Flag[] = [
  { name: 'help', short: 'h', help: 'show this help' },
  { name: 'version', help: 'show the version' },
  { name: 'verbose', short: 'v', help: 'say more on stderr' },
  { name: 'debug', help: 'say everything on stderr' },
  { name: 'quiet', short: 'q', help: 'say only errors' },
  { name: 'run-id', value: 'ID', env: ['TABLEPIPE_RUN_ID'], help: 'name this run in records and receipts' },
];
