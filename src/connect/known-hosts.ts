/** OpenSSH's known_hosts: which keys a host may show. Format: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT". */
import { createHmac } from 'node:crypto';

export interface KnownKey {
  revoked: boolean;
  /** `ssh-ed25519`, `ecdsa-sha2-nistp256`, … */
  type: string;
  key: Buffer;
}

/** The keys listed for a host; certificate authorities are left out, since ssh2 shows plain keys only. */
export function knownKeys(text: string, host: string, port: number): KnownKey[] {
  const name = port === 22 ? host : `[${host}]:${port}`;
  const keys: KnownKey[] = [];
  for (const line of text.split(/\r?\n/)) {
    const [, marker, hosts = '', type = '', key = ''] =
      /^\s*(?:(@\S+)\s+)?([^\s#]\S*)\s+(\S+)\s+([A-Za-z0-9+/=]+)/.exec(line) ?? [];
    if (key === '' || marker === '@cert-authority' || !names(hosts, name)) continue;
    keys.push({ revoked: marker === '@revoked', type, key: Buffer.from(key, 'base64') });
  }
  return keys;
}

function names(hosts: string, name: string): boolean {
  const [, salt, hash] = /^\|1\|([^|]+)\|(.+)$/.exec(hosts) ?? [];
  if (salt !== undefined && hash !== undefined) {
    return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash;
  }
  const patterns = hosts.toLowerCase().split(',');
  const fits = (pattern: string): boolean => wildcard(pattern).test(name.toLowerCase());
  return (
    patterns.some((one) => !one.startsWith('!') && fits(one)) &&
    !patterns.some((one) => one.startsWith('!') && fits(one.slice(1)))
  );
}

function wildcard(pattern: string): RegExp {
  const body = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${body}$`);
}
