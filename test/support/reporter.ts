/** Reads TAP and tells it to a person: failures with file, name and difference as they come, and counts to add up. */
import { Parser } from 'tap-parser';

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

interface Diagnosis {
  at?: { fileName?: string; lineNumber?: number };
  diff?: string;
  stack?: string;
  [more: string]: unknown;
}

/** What tap adds to every failure and a reader of it does not need. */
const NOISE = new Set(['at', 'diff', 'stack', 'source', 'compare', 'tapCaught', 'test']);

/** A parser for the TAP of one file: write to it, then end it. Adds to `counts` and prints each failure once. */
export function plainReporter(counts: Counts, file: string, print: (text: string) => void): Parser {
  const watch = (parser: Parser, path: string[]): Parser => {
    let closing: { failed: number } | undefined;
    parser.on('child', (child: Parser) => {
      closing = { failed: counts.failed };
      watch(child, [...path, child.name]);
    });
    parser.on('bailout', (reason: string) => {
      counts.failed += 1;
      print(`BAIL OUT: ${reason}\n`);
    });
    parser.on('assert', (assert) => {
      const subtest = closing;
      closing = undefined;
      if (assert.skip || assert.todo) counts.skipped += 1;
      else if (assert.ok) counts.passed += subtest ? 0 : 1;
      // A subtest fails with its assertions, which were told already.
      else if (subtest === undefined || counts.failed === subtest.failed) {
        counts.failed += 1;
        print(describe([...path, assert.name], (assert.diag ?? {}) as Diagnosis));
      }
    });
    return parser;
  };
  return watch(new Parser(), [file]);
}

function describe(path: string[], diagnosis: Diagnosis): string {
  const { at, diff, stack } = diagnosis;
  const place = at?.fileName ? ` (${at.fileName}:${at.lineNumber ?? 0})` : '';
  const more = Object.entries(diagnosis).filter(([name, value]) => !NOISE.has(name) && value !== undefined);
  const lines = more.map(([name, value]) => `  ${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return [`not ok: ${path.join(' > ')}${place}`, ...lines, diff ?? stack ?? '', ''].join('\n');
}
