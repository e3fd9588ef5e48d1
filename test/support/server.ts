/** What every server of the test bed can do, whatever it serves. */
import type { Daemon } from './daemon.js';

export interface Server {
  /** For people: name and version. */
  readonly label: string;
  readonly port: number;
  /** The processes, the one that serves first; empty while it is down. */
  pids(): number[];
  /** SIGKILL to every process, as a power switch does; the data stays. */
  kill(): Promise<void>;
  /** Starts again on the same data and the same port. */
  restart(): Promise<void>;
  /** Ends in good order. The data goes with the run folder. */
  stop(): Promise<void>;
}

/** Where and how a server is started. */
export interface ServerSettings {
  /** An empty folder that the server's account can reach; it holds data, configuration and logs. */
  folder: string;
  /** A line about something that takes long, for people. */
  say: (line: string) => void;
  /** Keep serving when this process ends, until somebody stops the pids. */
  outlives?: boolean;
}

/** The part of a server that is about its process, for servers that are one process. `start` is called again by `restart`. */
export async function soleProcess(
  start: () => Promise<Daemon>,
): Promise<Pick<Server, 'pids' | 'kill' | 'restart' | 'stop'>> {
  let daemon: Daemon | undefined = await start();
  const end = async (how: (daemon: Daemon) => Promise<void>): Promise<void> => {
    if (daemon) await how(daemon);
    daemon = undefined;
  };
  return {
    pids: () => (daemon ? [daemon.pid] : []),
    kill: () => end((running) => running.kill()),
    stop: () => end((running) => running.stop()),
    async restart() {
      await end((running) => running.stop());
      daemon = await start();
    },
  };
}
