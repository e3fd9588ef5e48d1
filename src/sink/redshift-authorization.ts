/**
 * How COPY is allowed to read S3: one form, exactly (reference/redshift.md section 3). A role is named on the command
 * line; keys come from the environment only, and never leave the statement they are put into.
 */
import { Failure } from '../errors.js';

export type Authorization =
  | { kind: 'default' }
  | { kind: 'role'; arns: readonly string[] }
  | { kind: 'keys'; id: string; secret: string; token: string | undefined };

const ARN = /^arn:aws(?:-cn|-us-gov|-iso|-iso-b)?:iam::\d{12}:role\/[\w+=,.@/-]+$/;

/** `default`, one ARN, or a chain `ARN,ARN`: each role assumes the next. 64 for anything else. */
export function parseRole(text: string): Authorization {
  if (text === 'default') return { kind: 'default' };
  const arns = text.split(/,(?=arn:)/);
  const wrong = arns.find((arn) => !ARN.test(arn) || arn.includes(','));
  if (wrong === undefined) return { kind: 'role', arns };
  throw new Failure('usage', `--iam-role ${text}: ${wrong} is not the ARN of a role`, {
    hint: 'Use default, arn:aws:iam::<12 digits>:role/<name>, or several of them joined by commas without blanks.',
  });
}

/** The keys of an AWS environment; 78 when there are none. They have to be short ones: COPY cannot renew them. */
export function keysOf(env: Readonly<Record<string, string | undefined>>): Authorization {
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: token } = env;
  if (id && secret) return { kind: 'keys', id, secret, token: token === '' ? undefined : token };
  throw new Failure('config', 'COPY has no authorization to read S3', {
    hint: 'Give --iam-role default (or an ARN), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.',
  });
}

/** The clause of COPY. Values are quoted for Redshift, where a backslash is an escape. */
export function authorizationClause(authorization: Authorization): string {
  switch (authorization.kind) {
    case 'default':
      return 'IAM_ROLE default';
    case 'role':
      return `IAM_ROLE ${redshiftLiteral(authorization.arns.join(','))}`;
    case 'keys': {
      const { id, secret, token } = authorization;
      const session = token === undefined ? '' : ` SESSION_TOKEN ${redshiftLiteral(token)}`;
      return `ACCESS_KEY_ID ${redshiftLiteral(id)} SECRET_ACCESS_KEY ${redshiftLiteral(secret)}${session}`;
    }
  }
}

/** A statement without its keys, for printing. */
export function maskKeys(sql: string): string {
  return sql.replaceAll(/\b(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN) '(?:[^']|'')*'/g, "$1 '***'");
}

/** A text in single quotes for Redshift (reference/redshift.md 4.7). */
export function redshiftLiteral(text: string): string {
  if (text.includes('\0')) throw new Failure('usage', 'a text holds a NUL character');
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}
