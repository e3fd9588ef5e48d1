/**
 * Lines of JSON, read so that nothing is lost: numbers of 16 digits and more arrive as text, invalid UTF-8 is
 * refused, a last line without its newline is known to be one. CRLF, a BOM and empty lines are accepted; of a key
 * that stands twice in an object the last value counts.
 */
import { Failure } from '../errors.js';

/** Longest line, in bytes: a row of 100 MB fits. */
const LINE_BYTES = 128 << 20;

export interface JsonLine {
  /** From 1. */
  number: number;
  text: string;
  /** False for a last line without a newline: it may have been cut. */
  whole: boolean;
}

/** Memory: one line, twice. */
export async function* jsonLines(input: AsyncIterable<Uint8Array>): AsyncGenerator<JsonLine> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });
  let pieces: Uint8Array[] = [];
  let bytes = 0;
  let number = 0;
  const line = (whole: boolean): JsonLine => {
    number += 1;
    try {
      const text = decoder.decode(pieces.length === 1 ? pieces[0] : Buffer.concat(pieces)).replace(/\r$/, '');
      return { number, text, whole };
    } catch (cause) {
      throw new Failure(whole ? 'data' : 'truncated', `line ${number} is not valid UTF-8`, { cause });
    } finally {
      pieces = [];
      bytes = 0;
    }
  };
  for await (const chunk of input) {
    let rest = chunk;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      pieces.push(rest.subarray(0, end));
      rest = rest.subarray(end + 1);
      const next = line(true);
      if (next.text.trim() !== '') yield next;
    }
    if (rest.length === 0) continue;
    // The producer may write its next chunk into the same memory.
    pieces.push(Uint8Array.from(rest));
    bytes += rest.length;
    if (bytes > LINE_BYTES) throw new Failure('data', `line ${number + 1} is longer than ${LINE_BYTES} bytes`);
  }
  if (bytes > 0) yield line(false);
}

const LONG_NUMBER = /\d[\d.]{15}/;
const STRING_OR_NUMBER = /"(?:[^"\\]+|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** The object in a line; its long numbers are texts. 65 for anything else, 82 when the line may have been cut. */
export function parsedObject({ number, text, whole }: JsonLine): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(LONG_NUMBER.test(text) ? withLongNumbersQuoted(text) : text);
  } catch (cause) {
    if (!whole) throw new Failure('truncated', `the input ended inside line ${number}`);
    throw new Failure('data', `line ${number} is not valid JSON`, { cause });
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new Failure('data', `line ${number} is not a JSON object`);
  }
  return value as Record<string, unknown>;
}

/** A double holds 15 digits; what is longer must not pass through one. */
function withLongNumbersQuoted(text: string): string {
  return text.replaceAll(STRING_OR_NUMBER, (token) =>
    token.startsWith('"') || token.length < 16 ? token : `"${token}"`,
  );
}
