/**
 * Stubs of three AWS services, as their API references describe them: Redshift (query protocol, XML), Redshift
 * Serverless and the Redshift Data API (JSON 1.1). The Data API runs its statements on the double, a connection a session.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';

type Body = Record<string, unknown>;

export interface AwsStub {
  url: string;
  /** What was asked: action and parameters. */
  asked: { action: string; body: Body }[];
  stop(): Promise<void>;
}

export interface StubOptions {
  /** User and password given out by the credential calls. */
  user?: string;
  password?: string;
  /** Where the Data API connects to. */
  database?: string;
  /** Ends each statement in a transaction of its own, as a service without real sessions would. */
  autocommit?: boolean;
  /** Error names to answer with, the nth for the nth call of an action; undefined lets a call through. */
  errors?: Readonly<Record<string, readonly (string | undefined)[]>>;
}

export async function startAwsStub(options: StubOptions): Promise<AwsStub> {
  const asked: AwsStub['asked'] = [];
  const data = new DataApiStub(options);
  const server: Server = createServer((request, response) => {
    void (async () => {
      const text = await textOf(request);
      const target = String(request.headers['x-amz-target'] ?? '').split('.')[1];
      const form = Object.fromEntries(new URLSearchParams(text));
      const action = target ?? String(form.Action);
      const body = target === undefined ? form : (JSON.parse(text) as Body);
      asked.push({ action, body });
      const nth = asked.filter((one) => one.action === action).length - 1;
      const error = options.errors?.[action]?.[nth];
      if (error !== undefined) return refuse(response, error, target === undefined);
      if (target === undefined) {
        response.setHeader('content-type', 'text/xml').end(clusterCredentials(options));
        return;
      }
      response.setHeader('content-type', 'application/x-amz-json-1.1');
      try {
        const { user: dbUser, password: dbPassword } = options;
        const answer = action === 'GetCredentials' ? { dbUser, dbPassword } : await data.call(action, body);
        response.end(JSON.stringify(answer));
      } catch (error) {
        response.statusCode = 400;
        response.end(JSON.stringify({ __type: 'ValidationException', Message: (error as Error).message }));
      }
    })();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async stop() {
      await data.stop();
      server.closeAllConnections();
      server.close();
    },
  };
}

/** An error of the query protocol, or of JSON 1.1. */
function refuse(response: ServerResponse, name: string, xml: boolean): void {
  response.statusCode = /AccessDenied/.test(name) ? 403 : 400;
  const text = `${name} by the stub`;
  if (!xml) {
    response.setHeader('content-type', 'application/x-amz-json-1.1');
    response.end(JSON.stringify({ __type: name, message: text, Message: text }));
    return;
  }
  const error = `<Error><Type>Sender</Type><Code>${name}</Code><Message>${text}</Message></Error>`;
  response.setHeader('content-type', 'text/xml').end(`<ErrorResponse>${error}<RequestId>1</RequestId></ErrorResponse>`);
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}

function clusterCredentials({ user, password }: StubOptions): string {
  const result = `<DbUser>${user}</DbUser><DbPassword>${password}</DbPassword><Expiration>2030-01-01T00:00:00Z</Expiration>`;
  return `<GetClusterCredentialsResponse xmlns="http://redshift.amazonaws.com/doc/2012-12-01/"><GetClusterCredentialsResult>${result}</GetClusterCredentialsResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetClusterCredentialsResponse>`;
}

interface Statement {
  status: 'STARTED' | 'FINISHED' | 'FAILED';
  error?: string;
  rows: number;
  result?: pg.QueryArrayResult<(string | null)[]>;
}

class DataApiStub {
  private readonly sessions = new Map<string, Promise<pg.Client>>();
  private readonly statements = new Map<string, Statement>();
  private readonly tokens = new Map<string, Body>();

  constructor(private readonly options: StubOptions) {}

  async call(action: string, body: Body): Promise<Body> {
    if (action === 'ExecuteStatement') return this.execute(body);
    const { Id } = body as { Id: string };
    const statement = this.statements.get(Id);
    if (!statement) throw new Error(`Query ${Id} does not exist.`);
    if (action === 'DescribeStatement') {
      const { status: Status, error: Error, rows: ResultRows, result } = statement;
      return { Id, Status, Error, ResultRows, HasResultSet: (result?.fields.length ?? 0) > 0 };
    }
    if (action === 'CancelStatement') return { Status: true };
    return this.page(statement, Number((body as { NextToken?: string }).NextToken ?? 0));
  }

  async stop(): Promise<void> {
    for (const session of this.sessions.values()) await (await session).end().catch(() => {});
  }

  private execute(body: Body): Body {
    const { SessionId, ClusterIdentifier, WorkgroupName, Database, ClientToken, Sql } = body as Record<string, string>;
    if (SessionId !== undefined && (ClusterIdentifier ?? WorkgroupName ?? Database) !== undefined)
      throw new Error('SessionId cannot be given together with ClusterIdentifier, WorkgroupName or Database.');
    if (SessionId === undefined && (ClusterIdentifier === undefined) === (WorkgroupName === undefined))
      throw new Error('Either ClusterIdentifier or WorkgroupName must be given.');
    const repeated = this.tokens.get(String(ClientToken));
    if (repeated) return repeated;
    const session = SessionId ?? randomUUID();
    if (SessionId === undefined) this.sessions.set(session, this.open());
    const opened = this.sessions.get(session);
    if (!opened) throw new Error('Session is not available.');
    const Id = randomUUID();
    const statement: Statement = { status: 'STARTED', rows: -1 };
    this.statements.set(Id, statement);
    void this.run(opened, String(Sql), statement);
    const answer = { Id, SessionId: session };
    this.tokens.set(String(ClientToken), answer);
    return answer;
  }

  private async open(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.options.database });
    client.on('error', () => {});
    await client.connect();
    return client;
  }

  private async run(session: Promise<pg.Client>, sql: string, statement: Statement): Promise<void> {
    try {
      const client = await session;
      const text = this.options.autocommit === true && sql === 'BEGIN' ? 'SELECT 1' : sql;
      statement.result = await client.query<(string | null)[]>({ text, rowMode: 'array', types: AS_TEXT });
      statement.rows = statement.result.rowCount ?? -1;
      statement.status = 'FINISHED';
    } catch (error) {
      const { message, detail = '' } = error as pg.DatabaseError;
      statement.error = `ERROR: ${message}${detail ? `\n  Detail: ${detail}` : ''}`;
      statement.status = 'FAILED';
    }
  }

  /** Two rows a page: whoever forgets to turn it loses some. */
  private page({ result }: Statement, at: number): Body {
    const rows = result?.rows ?? [];
    const Records = rows
      .slice(at, at + 2)
      .map((row) => row.map((value) => (value === null ? { isNull: true } : { stringValue: value })));
    const ColumnMetadata = result?.fields.map(({ name }) => ({ name, label: name }));
    const more = at + 2 < rows.length ? { NextToken: String(at + 2) } : {};
    return { ColumnMetadata, Records, TotalNumRows: rows.length, ...more };
  }
}

const AS_TEXT = { getTypeParser: () => (value: unknown) => value };
