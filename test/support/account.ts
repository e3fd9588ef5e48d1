/** Who runs the servers: the user, or an account without rights when the user is root. */
import { chownSync } from 'node:fs';

export interface Account {
  uid: number;
  gid: number;
}

/**
 * The account for a server. PostgreSQL and MariaDB refuse to run as root, so root's servers run as `nobody`
 * (65534, in every passwd file); undefined means: as the user who is here.
 */
export function serverAccount(): Account | undefined {
  return process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : undefined;
}

/** sshd calls `nobody` locked on hosts with nss-systemd; `daemon` may log in. */
export function loginAccount(): Account | undefined {
  return process.getuid?.() === 0 ? { uid: 1, gid: 1 } : undefined;
}

/** Gives a file or folder to the account that must write it. */
export function giveTo(path: string, account: Account | undefined): void {
  if (account) chownSync(path, account.uid, account.gid);
}
