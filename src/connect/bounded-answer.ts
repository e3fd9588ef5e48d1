/**
 * Answers of a store are read into memory, apart from the objects themselves: nothing makes a store, or what stands in
 * its place, stop. So they have a bound (reference/reliability.md row 81).
 */
import type { S3Client } from '@aws-sdk/client-s3';
import { Readable } from 'node:stream';
import { Failure } from '../errors.js';

/** An error, and anything else: a list of 1,000 keys of 1,024 bytes, each byte of them escaped, fits. */
const MOST = { error: 1 << 20, answer: 16 << 20 };

interface Answer {
  statusCode: number;
  body: unknown;
}

/** Makes the client give up (76) an answer that is longer than any answer of S3. */
export function boundAnswers(client: S3Client): void {
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const result = await next(args);
      const response = result.response as Answer;
      const failed = response.statusCode >= 300;
      const object = !failed && context.commandName === 'GetObjectCommand';
      if (!object && response.body instanceof Readable) {
        response.body = Readable.from(bounded(response.body, failed ? MOST.error : MOST.answer), { objectMode: false });
      }
      return result;
    },
    { step: 'deserialize', priority: 'low', name: 'tablepipeBounds', override: true },
  );
}

async function* bounded(body: Readable, most: number): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    // Leaving the loop closes the connection.
    if (bytes > most) throw new Failure('protocol', `the store sent an answer of more than ${most} bytes`);
    yield chunk;
  }
}
