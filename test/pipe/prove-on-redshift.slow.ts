/** examples/prove-on-redshift.sh, on the double: a person with a cluster runs the same lines. */
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { ROLE, startCluster } from '../redshift-double/cluster.js';
import { demandStatus, pipeline } from '../support/pipeline.js';
import { servers } from '../support/servers.js';

t.setTimeout(300_000);
const script = fileURLToPath(new URL('../../../examples/prove-on-redshift.sh', import.meta.url));
const cluster = await startCluster(t);

t.test('every line of it is proved on the double', async (t) => {
  const { aws, mysqlUrl, bucket } = servers();
  const env = {
    ...aws,
    TABLEPIPE_MYSQL_URL: mysqlUrl,
    TABLEPIPE_WAREHOUSE_URL: `${cluster.double.url.replace('postgres:', 'redshift:')}?sslmode=disable`,
    TABLEPIPE_BUCKET: bucket,
    TABLEPIPE_IAM_ROLE: ROLE,
  };
  const { stdout } = demandStatus(await pipeline(script, { env }));
  t.match(stdout, /all of it holds on this server/);
  t.equal(stdout.match(/^proved: /gm)?.length, 12);
});
