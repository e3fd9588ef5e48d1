/** The forms of authorization in COPY and who may use them (reference/redshift.md 3; rules 3, 4). */
import { SqlError } from './sql-error.js';

export type Authorization =
  | { kind: 'default' }
  | { kind: 'role'; arns: string[] }
  | { kind: 'keys'; id: string; secret: string; token: string | undefined };

export interface Access {
  /** ARNs attached to the imagined cluster; nothing else can be assumed. */
  roles: readonly string[];
  /** The role `IAM_ROLE default` means. */
  defaultRole: string | undefined;
  /** Key pairs S3 knows, as `id` → `secret`. */
  accessKeys: Readonly<Record<string, string>>;
}

const ARN = /^arn:aws(-cn|-us-gov)?:iam::\d{12}:role\/[\w+=.@/-]+$/;
const FORMS =
  "Invalid credentials. Must be of the format: credentials 'aws_iam_role=...' or " +
  "'aws_access_key_id=...;aws_secret_access_key=...[;token=...]'";

/** One ARN, or a chain separated by commas without spaces. */
export function roleChain(text: string): Authorization {
  const arns = text.split(',');
  if (!arns.every((arn) => ARN.test(arn)))
    throw new SqlError(
      'XX000',
      'Invalid IAM role: expected arn:aws:iam::<12 digits>:role/<name>[,arn...] without spaces',
    );
  return { kind: 'role', arns };
}

export function credentialText(text: string): Authorization {
  if (/\s/.test(text)) throw new SqlError('XX000', FORMS);
  const role = /^aws_iam_role=(.*)$/.exec(text);
  if (role !== null) return roleChain(role[1] as string);
  const keys = /^aws_access_key_id=([^;]+);aws_secret_access_key=([^;]+)(?:;token=([^;]+))?$/.exec(text);
  if (keys === null) throw new SqlError('XX000', FORMS);
  return { kind: 'keys', id: keys[1] as string, secret: keys[2] as string, token: keys[3] };
}

/** The separate ACCESS_KEY_ID, SECRET_ACCESS_KEY and SESSION_TOKEN; undefined when none was given. */
export function keyPair(keys: { id?: string; secret?: string; token?: string }): Authorization | undefined {
  if (keys.id === undefined && keys.secret === undefined && keys.token === undefined) return undefined;
  if (keys.id === undefined || keys.secret === undefined) {
    throw new SqlError('42601', 'ACCESS_KEY_ID and SECRET_ACCESS_KEY must be given together');
  }
  return { kind: 'keys', id: keys.id, secret: keys.secret, token: keys.token };
}

/** Throws before anything is read when the authorization gives no access. */
export function demandAccess(authorization: Authorization, access: Access): void {
  if (authorization.kind === 'keys') {
    if (access.accessKeys[authorization.id] === authorization.secret) return;
    throw denied(
      'The AWS Access Key Id you provided does not exist in our records.,Status 403,Error InvalidAccessKeyId',
    );
  }
  if (authorization.kind === 'default') {
    if (access.defaultRole !== undefined) return;
    throw new SqlError(
      'XX000',
      'UNVERIFIED: no default role is associated with the cluster; the text Redshift uses is not recorded',
    );
  }
  for (const arn of authorization.arns) {
    if (access.roles.includes(arn) || access.defaultRole === arn) continue;
    throw new SqlError('XX000', `UnauthorizedException: not authorized to assume IAM Role ${arn}`);
  }
}

/** What S3 answers when it refuses; the head of the text is recorded, the tail is not (reference/redshift.md 1.8). */
export function denied(text: string): SqlError {
  return new SqlError('XX000', `S3ServiceException:${text}`);
}
