/** The `mariadb` command-line client: what a person would see. */
import { runCommand } from './run-command.js';
import { mariadbClientProgram } from './mariadb.js';
import { servers } from './servers.js';

/** The rows a query prints in batch mode: one list of texts a row, `NULL` for NULL, tab, newline and backslash escaped. */
export async function clientRows(sql: string): Promise<string[][]> {
  const url = new URL(servers().mysqlUrl);
  const { program, env } = await mariadbClientProgram();
  const where = [`--host=${url.hostname}`, `--port=${url.port}`, `--user=${url.username}`];
  const how = ['--no-defaults', ...where, '--default-character-set=utf8mb4', '--batch', '--skip-column-names'];
  const printed = await runCommand(program, [...how, `--execute=SET time_zone='+00:00'; ${sql}`], {
    env: { ...env, MYSQL_PWD: decodeURIComponent(url.password) },
  });
  return printed
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => line.split('\t'));
}
