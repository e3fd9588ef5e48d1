/**
 * A way to the database through a bastion, over ssh2: no local port, one channel for each connection. The host's key
 * must be in known_hosts; keepalives find out within 45 s that the bastion is gone, which an idle TCP connection never tells.
 */
import type { Duplex } from 'node:stream';
import type { Client, ConnectConfig, ServerHostKeyAlgorithm } from 'ssh2';
import { Failure } from '../errors.js';
import { knownKeys } from './known-hosts.js';
import type { SshHost } from './ssh-host.js';

const KEEPALIVE_MS = 15_000;
const KEEPALIVES_MISSED = 3;

export interface SshTunnel {
  /** A fresh channel to a host behind the bastion; logs in when there is no live session. */
  open(host: string, port: number, signal: AbortSignal): Promise<Duplex>;
  close(): void;
}

/** Contacts nothing until the first `open`. Throws 77 for a refused login or host key, 75 for an unreachable bastion. */
export function sshTunnel(host: SshHost, connectMs: number): SshTunnel {
  let session: Promise<Client> | undefined;
  const before = host.jump ? sshTunnel(host.jump, connectMs) : undefined;
  const loggedIn = async (signal: AbortSignal): Promise<Client> => {
    const way = before && (await before.open(host.host, host.port, signal));
    const client = await login(host, connectMs, way, signal);
    const forget = (): void => (session = undefined);
    client.on('close', forget).on('end', forget).on('error', forget);
    return client;
  };
  return {
    async open(target, port, signal) {
      session ??= loggedIn(signal);
      session.catch(() => (session = undefined));
      return channel(await session, host, target, port);
    },
    close() {
      session?.then(
        (client) => client.destroy(),
        () => {},
      );
      before?.close();
    },
  };
}

function channel(client: Client, via: SshHost, host: string, port: number): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    client.forwardOut('127.0.0.1', 0, host, port, (error, stream) => {
      if (!error) return resolve(stream);
      reject(
        new Failure('temporary', `reaching ${host}:${port} through ${via.alias}`, {
          cause: error,
          hint: 'Check that the bastion may connect to the database.',
        }),
      );
    });
  });
}

async function login(host: SshHost, connectMs: number, way: Duplex | undefined, signal: AbortSignal): Promise<Client> {
  const { default: ssh2 } = await import('ssh2');
  const client = new ssh2.Client();
  let refusal: Failure | undefined;
  const config = {
    ...loginConfig(host, connectMs, ssh2.utils.parseKey),
    ...(way === undefined ? { host: host.host, port: host.port } : { sock: way }),
    hostVerifier: (key: Buffer) => {
      refusal = hostKeyRefusal(host, key);
      return refusal === undefined;
    },
  } as ConnectConfig;
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      client.destroy();
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', stop, { once: true });
    client.once('ready', () => {
      signal.removeEventListener('abort', stop);
      client.setNoDelay(true);
      resolve(client);
    });
    client.once('error', (error) => {
      signal.removeEventListener('abort', stop);
      reject(refusal ?? loginFailure(host, error));
    });
    // A second error on a dying session must not become an uncaught exception.
    client.on('error', () => {});
    client.connect(config);
  });
}

function loginConfig(host: SshHost, connectMs: number, parseKey: (pem: Buffer) => unknown): ConnectConfig {
  const known = knownKeys(host.knownHosts, host.host, host.port).filter((one) => !one.revoked);
  const types = known.flatMap(({ type }) => (type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256'] : [type]));
  // A key with a passphrase is the agent's business: we have nowhere safe to ask for it.
  const keys = host.keys.filter(({ pem }) => !(parseKey(pem) instanceof Error));
  const { user: username } = host;
  return {
    username,
    readyTimeout: connectMs,
    keepaliveInterval: KEEPALIVE_MS,
    keepaliveCountMax: KEEPALIVES_MISSED,
    // The host is asked for the kind of key we know it by.
    ...(types.length > 0 ? { algorithms: { serverHostKey: [...new Set(types)] as ServerHostKeyAlgorithm[] } } : {}),
    // The typings know plain names only; ssh2 takes whole methods (its README, authHandler).
    authHandler: [
      ...(host.agent === undefined ? [] : [{ type: 'agent' as const, username, agent: host.agent }]),
      ...keys.map(({ pem }) => ({ type: 'publickey' as const, username, key: pem })),
    ] as unknown as NonNullable<ConnectConfig['authHandler']>,
  };
}

function hostKeyRefusal(host: SshHost, key: Buffer): Failure | undefined {
  const keys = knownKeys(host.knownHosts, host.host, host.port);
  const fits = keys.filter((one) => one.key.equals(key));
  if (fits.some((one) => one.revoked)) return new Failure('denied', `the SSH key of ${host.host} is marked as revoked`);
  if (fits.length > 0 || (keys.length === 0 && !host.strict)) return undefined;
  const port = host.port === 22 ? '' : `-p ${host.port} `;
  if (keys.length === 0) {
    return new Failure('denied', `${host.host} is not in known_hosts`, {
      hint: `Log in once to check its key: ssh ${port}${host.user}@${host.host}`,
    });
  }
  return new Failure('denied', `${host.host} shows another SSH key than known_hosts has`, {
    hint: 'Somebody may be listening, or the bastion was set up anew; find out before removing the old key.',
  });
}

function loginFailure(host: SshHost, error: Error & { level?: string }): Failure {
  const refused = error.level === 'client-authentication';
  return new Failure(
    refused ? 'denied' : 'temporary',
    `logging in to ${host.user}@${host.host}:${host.port} over SSH`,
    {
      cause: error,
      hint: refused
        ? 'Load the key into ssh-agent (ssh-add), or name it in ~/.ssh/config.'
        : 'Check that the bastion is up and reachable.',
    },
  );
}
