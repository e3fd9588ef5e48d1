/** rs-copy over connections that fall silent: found out in bounded time, and nothing is lost or comes twice. */
import t from 'tap';
import { scratchSchema } from '../support/scratch-schema.js';
import { redshiftScene } from './redshift-scene.js';
import { POSTGRES_PLACES, REDSHIFT_PLACES, silencedAt } from './silence.js';

t.setTimeout(180_000);
const { schema, folder, sql } = await scratchSchema(t, 'silence');

t.test('where the work is lost, and where it is done and nobody says so', async (t) => {
  const { 'a merge does not arrive': merge, 'the answer to COMMIT does not arrive': answer } = POSTGRES_PLACES;
  const { 'the answer to a COPY does not arrive': copied } = REDSHIFT_PLACES;
  const scene = await redshiftScene(t, folder);
  const postgres = { sql, folder, schema };
  await Promise.all([
    silencedAt(t, postgres, { merge: merge ?? 'connecting' }, [true]),
    silencedAt(t, postgres, { connecting: 'connecting', answer: answer ?? 'connecting' }, [false]),
    silencedAt(t, scene, { copied: copied ?? 'connecting' }, [true]),
  ]);
});
