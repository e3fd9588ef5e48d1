/** The objects of NDJSON, as programs print them; none for nothing. */
export function jsonLines<T = Record<string, unknown>>(text: string | Uint8Array): T[] {
  const lines = typeof text === 'string' ? text : Buffer.from(text).toString();
  return lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}
