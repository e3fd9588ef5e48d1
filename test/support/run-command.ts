/** Runs one command of the test bed to its end. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Account } from './account.js';

export interface CommandSettings {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  account?: Account | undefined;
  timeoutMs?: number;
}

/** What the command wrote to stdout. Rejects with the command, its status and the end of both streams. */
export async function runCommand(
  file: string,
  args: readonly string[],
  settings: CommandSettings = {},
): Promise<string> {
  const { account, timeoutMs = 600_000, ...rest } = settings;
  try {
    const { stdout } = await promisify(execFile)(file, args, {
      ...rest,
      ...account,
      timeout: timeoutMs,
      maxBuffer: 64 << 20,
    });
    return stdout;
  } catch (error) {
    const {
      code,
      signal,
      stdout = '',
      stderr = '',
    } = error as {
      code?: number | string;
      signal?: string;
      stdout?: string;
      stderr?: string;
    };
    const said = `${stdout.slice(-1500)}${stderr.slice(-1500)}`.trim();
    throw new Error(`${[file, ...args].join(' ')}: ended with ${signal ?? code}\n${said}`, { cause: error });
  }
}
