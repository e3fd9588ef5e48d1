/**
 * Amazon's side doors to Redshift: temporary passwords from IAM, and the Data API, which runs SQL over HTTPS where no
 * connection can be made. Their clients are loaded when they are asked for.
 */
import type { Env } from '../cli/flags.js';
import type { DataApi, DataField } from '../data-api.js';
import { Failure, systemCode } from '../errors.js';
import { requestHandler, silenceVersionWarning } from './s3.js';

/** Which cluster or workgroup, as its endpoint or the URL's parameters say. */
export interface Place {
  region: string;
  database: string;
  user: string;
  /** Exactly one of the two. */
  cluster: string | undefined;
  workgroup: string | undefined;
  /** ARN of a Secrets Manager secret, for the Data API. */
  secret: string | undefined;
}

export interface TemporaryPassword {
  user: string;
  password: string;
}

/** Longest life GetClusterCredentials and GetCredentials give, in seconds. It has to last for the connecting only. */
const SECONDS = 900;

/** A password for one connection: GetClusterCredentials of a cluster, GetCredentials of a Serverless workgroup. */
export async function temporaryPassword(place: Place, env: Env, signal: AbortSignal): Promise<TemporaryPassword> {
  const { cluster: ClusterIdentifier, workgroup: workgroupName, database, user: DbUser } = place;
  const doing = `asking for a password for ${ClusterIdentifier ?? workgroupName}`;
  try {
    if (workgroupName !== undefined) {
      const { GetCredentialsCommand, RedshiftServerlessClient } = await import('@aws-sdk/client-redshift-serverless');
      const client = new RedshiftServerlessClient(settings(place, env.AWS_ENDPOINT_URL_REDSHIFT_SERVERLESS));
      const command = new GetCredentialsCommand({ workgroupName, dbName: database, durationSeconds: SECONDS });
      const { dbUser, dbPassword } = await client.send(command, { abortSignal: signal });
      return complete(dbUser, dbPassword, doing);
    }
    const { GetClusterCredentialsCommand, RedshiftClient } = await import('@aws-sdk/client-redshift');
    const client = new RedshiftClient(settings(place, env.AWS_ENDPOINT_URL_REDSHIFT));
    const asked = { ClusterIdentifier, DbUser, DbName: database, AutoCreate: false, DurationSeconds: SECONDS };
    const told = await client.send(new GetClusterCredentialsCommand(asked), { abortSignal: signal });
    return complete(told.DbUser, told.DbPassword, doing);
  } catch (error) {
    throw awsFailure(error, doing);
  }
}

function complete(user: string | undefined, password: string | undefined, doing: string): TemporaryPassword {
  if (user !== undefined && password !== undefined) return { user, password };
  throw new Failure('protocol', `${doing}: the answer has no user or no password`);
}

/** Seconds a session outlives its last statement, and a killed loader its locks. */
const KEEP_ALIVE = 300;

export async function connectDataApi(place: Place, env: Env, signal: AbortSignal): Promise<DataApi> {
  const data = await import('@aws-sdk/client-redshift-data');
  const client = new data.RedshiftDataClient({
    ...settings(place, env.AWS_ENDPOINT_URL_REDSHIFT_DATA),
    // Every call of ours can be repeated: statements carry a token.
    maxAttempts: 8,
  });
  const { cluster, workgroup, secret, database, user } = place;
  const target = {
    Database: database,
    ...(cluster === undefined ? {} : { ClusterIdentifier: cluster }),
    ...(workgroup === undefined ? {} : { WorkgroupName: workgroup }),
    ...(secret === undefined ? (cluster === undefined ? {} : { DbUser: user }) : { SecretArn: secret }),
  };
  const guarded = async <T>(doing: string, call: Promise<T>): Promise<T> => {
    try {
      return await call;
    } catch (error) {
      throw awsFailure(error, doing);
    }
  };
  const options = { abortSignal: signal };
  return {
    async execute(Sql, session, ClientToken) {
      const where = session === undefined ? target : { SessionId: session };
      const command = { Sql, ClientToken, SessionKeepAliveSeconds: KEEP_ALIVE, ...where };
      const call = client.send(new data.ExecuteStatementCommand(command), options);
      const { Id = '', SessionId = session ?? '' } = await guarded('starting a statement over the Data API', call);
      return { id: Id, session: SessionId };
    },
    async describe(Id) {
      const call = client.send(new data.DescribeStatementCommand({ Id }), options);
      const told = await guarded('asking for a statement over the Data API', call);
      const { Status: status = '', Error: error, ResultRows: rows = -1, HasResultSet: hasResult = false } = told;
      return { status, error, rows, hasResult };
    },
    async result(Id, NextToken) {
      const call = client.send(new data.GetStatementResultCommand({ Id, NextToken }), options);
      const { ColumnMetadata = [], Records = [], NextToken: next } = await guarded('reading over the Data API', call);
      const names = ColumnMetadata.map(({ name, label }) => label ?? name ?? '');
      return { names, records: Records as DataField[][], ...(next === undefined ? {} : { next }) };
    },
    async cancel(Id) {
      await client.send(new data.CancelStatementCommand({ Id })).catch(() => {});
    },
  };
}

interface Settings {
  region: string;
  endpoint?: string;
  requestHandler: ReturnType<typeof requestHandler>;
}

function settings({ region }: Place, endpoint: string | undefined): Settings {
  silenceVersionWarning();
  return { region, requestHandler: requestHandler(), ...(endpoint === undefined ? {} : { endpoint }) };
}

interface AwsError {
  name?: string;
  message?: string;
  $metadata?: { httpStatusCode?: number };
}

function awsFailure(error: unknown, doing: string): Failure {
  if (error instanceof Failure) return error;
  const { name = '', message = '', $metadata } = (error ?? {}) as AwsError;
  const status = $metadata?.httpStatusCode;
  if (name === 'CredentialsProviderError') {
    const hint = 'Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.';
    return new Failure('denied', `${doing}: no AWS credentials were found`, { cause: error, hint });
  }
  if (status === 401 || status === 403 || /AccessDenied|Unauthorized/.test(name)) {
    const hint =
      'Allow redshift:GetClusterCredentials, redshift-serverless:GetCredentials or redshift-data:* to this identity.';
    return new Failure('denied', `${doing}: ${name}`, { cause: error, hint });
  }
  if (/NotFound/.test(name)) return new Failure('config', `${doing}: ${message}`, { cause: error });
  if (/Validation/.test(name)) return new Failure('config', `${doing}: ${message}`, { cause: error });
  if (status === undefined || status >= 500 || status === 429 || /Throttl|ActiveSessions|ActiveStatements/.test(name)) {
    return new Failure('temporary', `${doing}: ${name || systemCode(error) || 'no answer'}`, { cause: error });
  }
  return new Failure('protocol', `${doing}: ${name} (${status})`, { cause: error });
}
