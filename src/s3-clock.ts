/** What time it is for a store: its objects carry its time, and the clock of this machine may be off by days. */
import type { S3Client } from '@aws-sdk/client-s3';

/**
 * Milliseconds since 1970. The client compares its clock with the date of every answer, because it has to sign with
 * the right one, and corrects it when it is off by five minutes or more.
 */
export function storeNow(client: S3Client): number {
  return Date.now() + client.config.systemClockOffset;
}
