/** How a program reads objects: one S3 client, made when the first s3:// URL is met. */
import type { Invocation } from '../cli/command.js';
import { parseDuration } from '../cli/parse.js';
import { connectS3 } from '../connect/s3.js';
import type { ObjectAccess } from '../source/object.js';

/** For commands with the flags `--endpoint-url` and `--retry-max-time`. Contacts nothing. */
export function objectAccess({ flags, env, signal }: Invocation): Required<ObjectAccess> {
  const endpoint = flags.text('endpoint-url');
  let client: ReturnType<typeof connectS3> | undefined;
  return {
    s3: () => (client ??= connectS3(env, endpoint === undefined ? {} : { endpoint })),
    signal,
    patienceMs: parseDuration(flags.text('retry-max-time') ?? '30s', '--retry-max-time'),
  };
}
