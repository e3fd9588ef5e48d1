/** An open connection to a MySQL or MariaDB server, as the rest of the program sees it. */
import type { Duplex } from 'node:stream';
import type { Connection } from 'mysql2';

export type Row = Readonly<Record<string, string | null>>;

/** Runs one statement and returns its rows; every value is the text the server sent. Values are bound, never spliced. */
export type Ask = (sql: string, values?: readonly (string | number)[]) => Promise<Row[]>;

export class MysqlSession {
  /** The server's id of this connection. */
  readonly id: number;
  private lost: Error | undefined;

  constructor(
    readonly connection: Connection,
    /** `8.0.36`, `10.11.19-MariaDB`. */
    readonly version: string,
    /** How long the server may be silent while {@link ask} waits for it, in milliseconds. */
    private readonly answerMs: number,
  ) {
    this.id = connection.threadId ?? 0;
    // Without a listener a lost connection is an uncaught exception.
    connection.on('error', (error: Error) => (this.lost ??= error));
  }

  get mariadb(): boolean {
    return this.version.includes('MariaDB');
  }

  /** Why the connection ended, when it did so on its own. */
  get lostBecause(): Error | undefined {
    return this.lost;
  }

  /** For what a server answers soon; a connection that is silent for longer counts as dead, or it would be waited for for ever. */
  readonly ask: Ask = (sql, values = []) => this.askWithin(this.answerMs, sql, values);

  /** For what may take a server any time, such as a count. */
  readonly askPatiently: Ask = (sql, values = []) =>
    new Promise((resolve, reject) => {
      this.connection.query({ sql, values: [...values], typeCast: (field) => field.string() }, (error, rows) =>
        error ? reject(error) : resolve(rows as Row[]),
      );
    });

  /** Cuts the connection, and rejects with what a lost one gives, when no byte came for `ms`. */
  async askWithin(ms: number, sql: string, values: readonly (string | number)[] = []): Promise<Row[]> {
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_, reject) => {
      const wait = (seen: number): void => {
        timer = setTimeout(() => {
          if (this.bytesRead !== seen) return wait(this.bytesRead);
          this.cut();
          reject(Object.assign(new Error(`nothing came from the server for ${ms} ms`), { code: 'ETIMEDOUT' }));
        }, ms);
      };
      wait(this.bytesRead);
    });
    const answer = this.askPatiently(sql, values);
    // What a cut connection still rejects with has been told already.
    answer.catch(() => {});
    try {
      return await Promise.race([answer, silence]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Bytes received so far. */
  get bytesRead(): number {
    return (this.socket as { bytesRead?: number }).bytesRead ?? 0;
  }

  /**
   * Cuts the connection. mysql2's own destroy() only half-closes, and a paused result then keeps its server
   * thread busy until net_write_timeout (reference/mysql.md 4.2).
   */
  cut(): void {
    this.socket.destroy();
  }

  /** Says goodbye; resolves when the server was told, or the connection was gone anyway. */
  end(): Promise<void> {
    return new Promise((resolve) => {
      const late = setTimeout(() => (this.cut(), resolve()), 1_000);
      this.connection.end(() => (clearTimeout(late), resolve()));
    });
  }

  private get socket(): Duplex {
    return (this.connection as unknown as { stream: Duplex }).stream;
  }
}
