/** `--cast`: the type a person wants a column to have. */
import { Failure } from '../../errors.js';

/** `COLUMN` or `COLUMN=TYPE`. The type goes into SQL as it is, so it has to look like one: 64. */
export function castOf(text: string): [column: string, type: string | true] {
  const [, column = '', type] = /^(.*?)(?:=([^=]*))?$/s.exec(text) ?? [];
  if (column === '' || (type !== undefined && !/^[a-z][a-z0-9_ ]*(?:\([0-9]+(?:, ?[0-9]+)?\))?$/i.test(type))) {
    throw new Failure('usage', `--cast ${text}: expected COLUMN or COLUMN=TYPE`, {
      hint: 'Examples: --cast is_gift, --cast is_gift=boolean, --cast "amount=numeric(12,2)".',
    });
  }
  return [column, type ?? true];
}
