/** The package has no types of its own. */
declare module 'pgpass' {
  interface Place {
    host: string;
    port: number;
    database: string;
    user: string;
  }

  /** Looks into PGPASSFILE or ~/.pgpass; undefined when it is absent, has no entry, or may be read by others. */
  export default function pgpass(place: Place, found: (password: string | undefined) => void): void;
}
