/** The wiring of Redshift, for every program that opens a warehouse. */
import type { Invocation } from '../cli/command.js';
import { parseChoice } from '../cli/parse.js';
import { type Place, connectDataApi, temporaryPassword } from '../connect/redshift.js';
import { connectS3 } from '../connect/s3.js';
import { connectWarehouse, type WarehouseSettings } from '../connect/warehouse.js';
import { Failure } from '../errors.js';
import { REDSHIFT_BACKEND } from '../load/backend.js';
import { DataSession } from '../load/data-session.js';
import { Redshift } from '../load/redshift.js';
import { openSession } from '../load/session.js';
import type { Session } from '../load/warehouse.js';
import { parseLocation } from '../location.js';
import { regionOfEndpoint } from '../sink/bucket-region.js';
import { type Authorization, keysOf, parseRole } from '../sink/redshift-authorization.js';

/** Parameters of a redshift:// URL besides libpq's. */
const PARAMETERS = new Set(['cluster', 'workgroup', 'region', 'auth', 'secret']);
const LIBPQ = new Set(
  'host port user password dbname sslmode sslrootcert sslcert sslkey options connect_timeout application_name service'.split(
    ' ',
  ),
);

/** Milliseconds a wait for the ledger may take beyond its limit: the answer has to arrive. */
const LOCK_MARGIN_MS = 5_000;

/** Redshift as a command line names it; contacts nothing. */
export async function openRedshift(
  invocation: Invocation,
  settings: WarehouseSettings,
  { lockMs, idleMs }: { lockMs: number; idleMs: number },
): Promise<Redshift> {
  const { flags, env, signal, words } = invocation;
  refuseUnknown(settings);
  const via = parseChoice(flags.text('via') ?? 'connection', '--via', ['connection', 'data-api']);
  const role = flags.text('iam-role');
  const given = role === undefined ? undefined : parseRole(role);
  for (const secret of [env.AWS_SECRET_ACCESS_KEY, env.AWS_SESSION_TOKEN]) words.secret(secret);
  // Keys are missed only by a COPY: rs-ddl prints a table without any.
  const authorization = (): Authorization => given ?? keysOf(env);
  const manifests = flags.text('manifest-prefix');
  if (manifests !== undefined && parseLocation(manifests).scheme !== 's3') {
    throw new Failure('usage', `--manifest-prefix ${manifests}: expected s3://bucket/prefix/`);
  }
  const region = settings.extra.region ?? regionOfEndpoint(settings.host) ?? env.AWS_REGION ?? env.AWS_DEFAULT_REGION;
  const connect =
    via === 'data-api'
      ? dataApi(invocation, settings)
      : direct(invocation, settings, Math.max(idleMs, lockMs + LOCK_MARGIN_MS));
  let s3: ReturnType<typeof connectS3> | undefined;
  const client = (): ReturnType<typeof connectS3> => (s3 ??= connectS3(env));
  const showValues = flags.on('show-values');
  return new Redshift({ connect, s3: client, authorization, manifests, region, signal, lockMs, showValues });
}

function refuseUnknown({ extra }: WarehouseSettings): void {
  const unknown = Object.keys(extra).find((name) => !PARAMETERS.has(name) && !LIBPQ.has(name));
  if (unknown === undefined) return;
  throw new Failure('usage', `the warehouse URL has an unknown parameter ${unknown}`, {
    hint: `Besides libpq's: ${[...PARAMETERS].join(', ')}.`,
  });
}

/**
 * The wire protocol, with a password of one's own or (`auth=iam`) a temporary one for each connection. Whether a LOCK
 * that waits is listed as running is not written down anywhere, so nobody asks before it must have ended.
 */
function direct(invocation: Invocation, settings: WarehouseSettings, idleMs: number): () => Promise<Session> {
  const { env, signal, agent, words } = invocation;
  const auth = parseChoice(settings.extra.auth ?? 'password', 'auth', ['password', 'iam']);
  const place = auth === 'iam' ? placeOf(settings, env) : undefined;
  const connect = async (): ReturnType<typeof connectWarehouse> => {
    const given = place === undefined ? undefined : await temporaryPassword(place, env, signal);
    words.secret(given?.password);
    return connectWarehouse({ ...settings, ...given }, agent);
  };
  return () => openSession({ connect, words: REDSHIFT_BACKEND, idleMs, signal });
}

function dataApi({ env, signal }: Invocation, settings: WarehouseSettings): () => Promise<Session> {
  const place = placeOf(settings, env);
  return async () => new DataSession(await connectDataApi(place, env, signal), signal);
}

/** Cluster or workgroup, from the endpoint's name or the URL's parameters. 78 when neither tells. */
function placeOf({ host, user, database, extra }: WarehouseSettings, env: Invocation['env']): Place {
  const [name] = host.split('.');
  const region = extra.region ?? regionOfEndpoint(host) ?? env.AWS_REGION ?? env.AWS_DEFAULT_REGION;
  const serverless = /\.redshift-serverless\./.test(host);
  const workgroup = extra.workgroup ?? (serverless ? name : undefined);
  const clustered = /\.redshift\./.test(host) ? name : undefined;
  const cluster = workgroup === undefined ? (extra.cluster ?? clustered) : undefined;
  if (region === undefined || (cluster === undefined && workgroup === undefined)) {
    throw new Failure('config', 'which cluster or workgroup to ask is not known', {
      hint: 'Add cluster=NAME or workgroup=NAME, and region=REGION, to the redshift:// URL.',
    });
  }
  return { region, database, user, cluster, workgroup, secret: extra.secret };
}
