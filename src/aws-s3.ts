/** The AWS client library for S3, loaded on first use. */
import { createRequire } from 'node:module';

type AwsS3 = typeof import('@aws-sdk/client-s3');

let loaded: AwsS3 | undefined;

/** Loaded as what it is, CommonJS: `import()` reads all of it once more to find its names, 65 ms that every program would wait. */
export function awsS3(): AwsS3 {
  loaded ??= createRequire(import.meta.url)('@aws-sdk/client-s3') as AwsS3;
  return loaded;
}
