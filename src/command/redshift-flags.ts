/** Flags of Redshift, apart from its wiring, so that --help loads nothing. */
import type { Flag } from '../cli/flags.js';

export const REDSHIFT_FLAGS: readonly Flag[] = [
  {
    name: 'iam-role',
    value: 'ROLE',
    env: ['TABLEPIPE_IAM_ROLE'],
    help: 'redshift: default, an ARN, or a chain ARN,ARN that COPY reads S3 with; else the AWS_* keys',
  },
  {
    name: 'manifest-prefix',
    value: 's3://…/',
    env: ['TABLEPIPE_MANIFEST_PREFIX'],
    default: 's3://BUCKET-OF-THE-FILES/_tablepipe/manifests/',
    help: 'redshift: where manifests of running loads are',
  },
  {
    name: 'via',
    value: 'WAY',
    default: 'connection',
    help: 'redshift: connection, or data-api where no connection can be made',
  },
];
