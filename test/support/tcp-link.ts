/** One connection through the TCP proxy: the client's socket, the server's, and what is done to them. */
import type { Socket } from 'node:net';

/** `up` is from the client to the server. */
export type Direction = 'up' | 'down';

/**
 * `cut` closes both sides, `reset` closes them with RST, `stall` passes nothing on any more in either direction.
 * `lose-answer` passes on what the client sends, and cuts when the server answers.
 */
export type TcpAction = 'cut' | 'reset' | 'stall' | 'lose-answer';

export interface TcpEvent {
  action: TcpAction;
  /** How many of the bytes at hand are still passed on. */
  passing: number;
  /** All of them are, and the action happens when the server answers. */
  atAnswer: boolean;
}

export class TcpLink {
  /** Asked about all bytes before they are passed on. */
  onBytes: (direction: Direction, bytes: Buffer) => TcpEvent | undefined = () => undefined;
  onClosed: () => void = () => {};
  private stalled = false;
  /** What a stalled connection has taken and not passed on. */
  private held: [Direction, Buffer][] = [];
  private atAnswer: TcpAction | undefined;
  private ending = false;

  constructor(
    private readonly client: Socket,
    private readonly server: Socket,
  ) {
    this.pass('up', client, server);
    this.pass('down', server, client);
  }

  /** At once: what is on its way is lost. */
  cut(): void {
    this.client.destroy();
    this.server.destroy();
  }

  stall(): void {
    this.stalled = true;
    this.client.pause();
    this.server.pause();
  }

  resume(): void {
    if (!this.stalled) return;
    this.stalled = false;
    for (const [direction, bytes] of this.held.splice(0)) this.to(direction).write(bytes);
    this.client.resume();
    this.server.resume();
  }

  private to(direction: Direction): Socket {
    return direction === 'up' ? this.server : this.client;
  }

  private pass(direction: Direction, from: Socket, to: Socket): void {
    from.setNoDelay(true).on('error', () => {});
    from.on('data', (bytes: Buffer) => {
      this.take(direction, bytes);
      if (to.writableNeedDrain) from.pause();
    });
    to.on('drain', () => this.stalled || from.resume());
    from.on('end', () => to.end());
    from.on('close', () => {
      // What this side has said last still arrives, unless somebody cut the connection.
      if (from.errored || !from.readableEnded) to.destroy();
      else to.destroySoon();
      this.onClosed();
    });
  }

  private take(direction: Direction, bytes: Buffer): void {
    if (this.ending) return;
    if (direction === 'down' && this.atAnswer) return this.happen(this.atAnswer, direction, bytes, 0);
    const event = this.onBytes(direction, bytes);
    if (!event) return void this.to(direction).write(bytes);
    const { action, passing, atAnswer } = event;
    if (direction === 'up' && (atAnswer || action === 'lose-answer')) {
      this.atAnswer = action;
      this.to(direction).write(bytes.subarray(0, atAnswer ? passing : bytes.length));
    } else this.happen(action, direction, bytes, passing);
  }

  private happen(action: TcpAction, direction: Direction, bytes: Buffer, passing: number): void {
    this.atAnswer = undefined;
    const to = this.to(direction);
    if (action === 'stall') {
      to.write(bytes.subarray(0, passing));
      this.held.push([direction, bytes.subarray(passing)]);
      return this.stall();
    }
    // The bytes that still pass have to be out before the sockets go; whatever else comes is dropped.
    this.ending = true;
    const end = (): void => {
      if (action === 'reset') for (const socket of [this.client, this.server]) socket.resetAndDestroy();
      else this.cut();
    };
    if (passing > 0) to.write(bytes.subarray(0, passing), end);
    else end();
  }
}
