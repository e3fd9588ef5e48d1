/** `make down`: stops what `make up` started and removes its data. */
import { stopStanding } from './standing-bed.js';

process.stdout.write(
  (await stopStanding()) ? 'down: the servers are stopped, their data is gone\n' : 'nothing was up\n',
);
