/** What is used of the Redshift Data API: four calls, between the client that makes them and the session over them. */

/** A value of a result: the Data API sends one of these fields. */
export interface DataField {
  isNull?: boolean;
  booleanValue?: boolean;
  longValue?: number;
  doubleValue?: number;
  stringValue?: string;
}

export interface DataStatus {
  status: string;
  error: string | undefined;
  /** Rows affected or returned; -1 when it is not known. */
  rows: number;
  hasResult: boolean;
}

export interface DataApi {
  /** Starts a statement; repeating it with the same token starts nothing new. */
  execute(sql: string, session: string | undefined, token: string): Promise<{ id: string; session: string }>;
  describe(id: string): Promise<DataStatus>;
  result(id: string, page: string | undefined): Promise<{ names: string[]; records: DataField[][]; next?: string }>;
  cancel(id: string): Promise<void>;
}
