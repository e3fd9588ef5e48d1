/** Help text, laid out from the same definitions the parser uses: examples first, then flags, then statuses. */
import { STATUS } from '../errors.js';
import { COMMON_FLAGS, type Command, type CommandSet } from './command.js';
import type { Flag } from './flags.js';

/** The help of one command; `name` is the program and, for a subcommand, its verb. */
export function commandHelp(name: string, command: Command): string {
  return [
    `${name} - ${command.summary}`,
    `Usage:\n  ${name} ${command.usage}`,
    section('Examples', command.examples),
    section('Flags', command.flags.map(flagLine)),
    section('Common flags', COMMON_FLAGS.map(flagLine)),
    statuses(),
  ]
    .filter(Boolean)
    .join('\n\n')
    .concat('\n');
}

/** The help of a program with subcommands. */
export function setHelp(name: string, set: CommandSet): string {
  const width = Math.max(...Object.keys(set.verbs).map((verb) => verb.length));
  return [
    `${name} - ${set.summary}`,
    `Usage:\n  ${name} COMMAND ...`,
    section('Examples', set.examples),
    section(
      'Commands',
      Object.entries(set.verbs).map(([verb, command]) => `${verb.padEnd(width)}  ${command.summary}`),
    ),
    `See \`${name} COMMAND --help\`.`,
    statuses(),
  ]
    .join('\n\n')
    .concat('\n');
}

function section(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : `${title}:\n${lines.map((line) => `  ${line}`).join('\n')}`;
}

const FLAG_WIDTH = 28;

function flagLine(flag: Flag): string {
  const left = `${flag.short ? `-${flag.short}, ` : '    '}--${flag.name}${flag.value ? ` ${flag.value}` : ''}`;
  const notes = [
    flag.many && 'repeatable',
    flag.default && `default ${flag.default}`,
    flag.env?.length && `or ${flag.env.map((name) => `$${name}`).join(', ')}`,
  ].filter(Boolean);
  const right = notes.length > 0 ? `${flag.help} (${notes.join('; ')})` : flag.help;
  return left.length < FLAG_WIDTH
    ? `${left.padEnd(FLAG_WIDTH)}${right}`
    : `${left}\n  ${' '.repeat(FLAG_WIDTH)}${right}`;
}

function statuses(): string {
  const lines = Object.values(STATUS).map((status) => `${String(status.code).padStart(3)}  ${status.means}`);
  return section('Exit status (run the same line again on 75, 80, 81, 82)', [
    '  0  done',
    ...lines,
    '128+n died by signal n',
  ]);
}
