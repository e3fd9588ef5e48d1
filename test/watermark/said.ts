/** What an operation failed with, as one text to match: `kind: message | hint`; `nothing` when it succeeded. */
import { Failure } from '../../src/errors.js';

export async function said(operation: () => unknown): Promise<string> {
  try {
    await operation();
    return 'nothing';
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return `${error.kind}: ${error.message} | ${error.hint ?? ''}`;
  }
}
