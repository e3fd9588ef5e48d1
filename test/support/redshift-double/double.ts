/**
 * A test double of Amazon Redshift: a PostgreSQL wire proxy in front of a real PostgreSQL. It fails where Amazon
 * documents, or field records show, that Redshift fails, and refuses what nobody has confirmed. It proves
 * nothing about a real cluster beyond that; README.md says what each rule rests on.
 */
import { createServer, type AddressInfo, type Socket } from 'node:net';
import type { S3Client } from '@aws-sdk/client-s3';
import pg from 'pg';
import { Backing } from './backing.js';
import { prepare } from './catalogue.js';
import { CopyPlans, type CopyWorld, LastCopy } from './copy.js';
import { Faults } from './faults.js';
import { longNames } from './identifier.js';
import { objectStore } from './object-store.js';
import { Session } from './session.js';
import { type LogEntry, StatementLog } from './statement-log.js';
import type { Isolation } from './transaction.js';
import { answer, CANCEL_REQUEST, Fields, MessageReader, PROTOCOL_3, SSL_REQUEST } from './wire.js';

export interface DoubleOptions {
  /** URL of the real PostgreSQL behind, database included; its user needs CREATE on the database. */
  postgres: string;
  s3: S3Client;
  /** ARNs attached to the imagined cluster. */
  roles: readonly string[];
  /** The role `IAM_ROLE default` means; without it `default` is refused. */
  defaultRole?: string;
  /** Access key id → secret, for COPY with keys. */
  accessKeys?: Readonly<Record<string, string>>;
  /** Default `us-east-1`. */
  clusterRegion?: string;
  /** Bucket → region; buckets not named here have the region the store reports. */
  bucketRegions?: Readonly<Record<string, string>>;
  /** Users and passwords; without it every user is let in. */
  users?: Readonly<Record<string, string>>;
  /** `snapshot` is the default of new clusters. */
  isolation?: Isolation;
  /** STL_* and STV_* are denied, as to ordinary users of Serverless. */
  serverless?: boolean;
  emptyPrefix?: 'success' | 'error';
  /** Answers the extended query protocol too; otherwise its messages are refused, as rs-copy sends none. */
  extended?: boolean;
  /** 0 or unset for any free port. */
  port?: number;
}

export interface RedshiftDouble {
  /** `postgres://user@127.0.0.1:port/database`. */
  url: string;
  port: number;
  faults: Faults;
  log(): readonly LogEntry[];
  /** Bucket → region, changeable while it runs. */
  bucketRegions: Map<string, string>;
  stop(): Promise<void>;
}

export async function startRedshiftDouble(options: DoubleOptions): Promise<RedshiftDouble> {
  const house = new House(options);
  const database = new URL(options.postgres).pathname.slice(1);
  await house.history(database);
  const server = createServer((socket) => house.welcome(socket));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `postgres://awsuser@127.0.0.1:${port}/${database}`,
    port,
    faults: house.faults,
    log: () => house.statements.entries,
    bucketRegions: house.bucketRegions,
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await house.close();
      await closed;
    },
  };
}

/** What all sessions share. */
class House {
  readonly faults = new Faults();
  readonly statements = new StatementLog();
  readonly bucketRegions: Map<string, string>;
  readonly #options: DoubleOptions;
  readonly #histories = new Map<string, Promise<pg.Client>>();
  readonly #sockets = new Set<Socket>();
  readonly #endings = new Set<Promise<void>>();
  readonly #backings = new Map<number, { secret: number; backing: Backing }>();
  #sessions = 20_000;
  #query = Number(process.hrtime.bigint() % 1_000_000n) * 1000;

  constructor(options: DoubleOptions) {
    this.#options = options;
    this.bucketRegions = new Map(Object.entries(options.bucketRegions ?? {}));
  }

  /** The connection whose writes survive every rollback, one per database. */
  history(database: string): Promise<pg.Client> {
    let opened = this.#histories.get(database);
    if (opened === undefined) {
      opened = this.#open(database).then(async (client) => {
        // The server behind may be killed and started: whoever comes then needs a new one.
        client.once('end', () => this.#histories.delete(database));
        for (const [short, long] of await prepare(client)) longNames.set(short, long);
        return client;
      });
      opened.catch(() => this.#histories.delete(database));
      this.#histories.set(database, opened);
    }
    return opened;
  }

  async #open(database: string): Promise<pg.Client> {
    const url = new URL(this.#options.postgres);
    url.pathname = `/${database}`;
    const client = new pg.Client({ connectionString: url.href, application_name: 'redshift double' });
    client.on('error', () => undefined);
    await client.connect();
    await client.query(
      "SET standard_conforming_strings TO on; SET bytea_output TO hex; SET timezone TO 'UTC'; SET client_min_messages TO error",
    );
    return client;
  }

  welcome(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    const ending = this.#serve(socket)
      .catch(() => undefined)
      .finally(() => {
        socket.destroy();
        this.#sockets.delete(socket);
        this.#endings.delete(ending);
      });
    this.#endings.add(ending);
  }

  async #serve(socket: Socket): Promise<void> {
    const reader = new MessageReader();
    const chunks: AsyncIterator<Buffer> = socket[Symbol.asyncIterator]();
    const next = async (): Promise<{ type: string; body: Buffer } | undefined> => {
      for (;;) {
        const message = reader.next();
        if (message !== undefined) return message;
        const chunk = await chunks.next();
        if (chunk.done === true) return undefined;
        reader.push(chunk.value);
      }
    };
    const startup = await this.#startup(socket, next);
    if (startup === undefined) return;
    reader.started();
    if (!(await this.#authenticated(socket, startup, next))) return;
    await this.#converse(socket, startup, next);
  }

  async #startup(socket: Socket, next: Next): Promise<Map<string, string> | undefined> {
    for (;;) {
      const message = await next();
      if (message === undefined) return undefined;
      const fields = new Fields(message.body);
      const code = fields.int32();
      if (code === SSL_REQUEST) socket.write('N');
      else if (code === CANCEL_REQUEST) {
        const entry = this.#backings.get(fields.int32());
        if (entry !== undefined && entry.secret === fields.int32()) await entry.backing.cancel();
        return undefined;
      } else if (code === PROTOCOL_3) {
        const parameters = new Map<string, string>();
        for (let name = fields.text(); name !== ''; name = fields.text()) parameters.set(name, fields.text());
        return parameters;
      } else {
        socket.end(answer.fatal('08P01', `unsupported protocol ${code >> 16}.${code & 0xffff}`));
        return undefined;
      }
    }
  }

  async #authenticated(socket: Socket, startup: Map<string, string>, next: Next): Promise<boolean> {
    const { users } = this.#options;
    if (users === undefined) return true;
    socket.write(answer.cleartextPassword());
    const message = await next();
    if (message === undefined) return false;
    const user = startup.get('user') ?? '';
    if (message.type === 'p' && users[user] === new Fields(message.body).text()) return true;
    socket.end(answer.fatal('28000', `password authentication failed for user "${user}"`));
    return false;
  }

  async #converse(socket: Socket, startup: Map<string, string>, next: Next): Promise<void> {
    const database = startup.get('database') ?? startup.get('user') ?? '';
    const id = (this.#sessions += 1);
    const opened = await this.#backing(database, id).catch((error: Error & { code?: string }) => {
      socket.end(answer.fatal(error.code ?? '08006', error.message));
    });
    if (opened === undefined) return;
    const last = new LastCopy();
    const copy = new CopyPlans(this.#world(), last, id);
    const { isolation = 'snapshot', serverless = false, extended = false } = this.#options;
    const context = { noted: new Map<string, string>(), isolation, copy };
    const { faults, statements: log } = this;
    const session = new Session({ id, socket, backing: opened, context, last, faults, log, serverless, extended });
    const secret = Math.floor(Math.random() * 0x7fff_ffff);
    this.#backings.set(id, { secret, backing: opened });
    socket.write(greeting(id, secret));
    const gone = new Promise<void>((resolve) => socket.once('close', resolve));
    // A statement inside BEGIN ends with its client; one outside is carried out (reference/redshift.md 1.9).
    void gone.then(() =>
      session.busy && opened.status() !== 'I' ? opened.terminate().catch(() => undefined) : undefined,
    );
    try {
      for (let message = await next(); message !== undefined; message = await next()) {
        if (!(await session.handle(message))) return;
      }
    } finally {
      this.#backings.delete(id);
      socket.destroy();
      await opened.client.end().catch(() => undefined);
    }
  }

  async #backing(database: string, id: number): Promise<Backing> {
    const history = await this.history(database);
    const client = await this.#open(database);
    return new Backing(client, history, this.#options.isolation ?? 'snapshot', id);
  }

  #world(): CopyWorld {
    const {
      s3,
      roles,
      defaultRole,
      accessKeys = {},
      clusterRegion = 'us-east-1',
      emptyPrefix = 'success',
    } = this.#options;
    return {
      store: objectStore(s3),
      access: { roles, defaultRole, accessKeys },
      clusterRegion,
      bucketRegions: this.bucketRegions,
      emptyPrefix,
      nextQuery: () => (this.#query += 1),
    };
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    for (const { backing } of this.#backings.values()) await backing.terminate().catch(() => undefined);
    await Promise.all(this.#endings);
    for (const history of this.#histories.values()) await history.then((client) => client.end()).catch(() => undefined);
  }
}

type Next = () => Promise<{ type: string; body: Buffer } | undefined>;

/** What Redshift tells a driver about itself (reference/redshift.md 4.10). */
function greeting(id: number, secret: number): Buffer {
  const parameters = {
    server_version: '8.0.2',
    server_encoding: 'UNICODE',
    client_encoding: 'UTF8',
    DateStyle: 'ISO, MDY',
    TimeZone: 'UTC',
    integer_datetimes: 'on',
    is_superuser: 'off',
    standard_conforming_strings: 'off',
  };
  const told = Object.entries(parameters).map(([name, value]) => answer.parameter(name, value));
  return Buffer.concat([answer.authenticationOk(), ...told, answer.keyData(id, secret), answer.ready('I')]);
}
