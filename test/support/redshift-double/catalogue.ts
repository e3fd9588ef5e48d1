/** The hidden schema in the server behind: what PostgreSQL has no place for, and Redshift's system views over it. */
import type pg from 'pg';

/** One lock for all doubles on one server, so that two of them never create the schema at once. */
const LOCK = 5_439_000;

const FUNCTIONS = `
CREATE DOMAIN redshift_double.geometry AS bytea;
CREATE DOMAIN redshift_double.geography AS bytea;
CREATE DOMAIN redshift_double.hllsketch AS bytea;
CREATE FUNCTION redshift_double.getdate() RETURNS timestamp LANGUAGE sql STABLE
  AS $$ SELECT statement_timestamp() AT TIME ZONE 'UTC' $$;
CREATE FUNCTION redshift_double.sysdate() RETURNS timestamp LANGUAGE sql STABLE
  AS $$ SELECT transaction_timestamp() AT TIME ZONE 'UTC' $$;
CREATE FUNCTION redshift_double.version() RETURNS varchar LANGUAGE sql IMMUTABLE AS $$ SELECT
  'PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 (Red Hat 3.4.2-6.fc3), Redshift 1.0.477953 (a test double)' $$;
CREATE FUNCTION redshift_double.pg_backend_pid() RETURNS int LANGUAGE sql AS $$ SELECT pg_catalog.pg_backend_pid() $$;
CREATE FUNCTION redshift_double.pg_terminate_backend(pid int) RETURNS int LANGUAGE sql AS $$ SELECT pg_catalog.pg_terminate_backend($1)::int $$;
CREATE FUNCTION redshift_double.pg_last_copy_count(value bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT value $$;
CREATE FUNCTION redshift_double.pg_last_copy_id(value int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT value $$;
CREATE FUNCTION redshift_double.to_hex(value bytea) RETURNS varchar LANGUAGE sql IMMUTABLE AS $$ SELECT encode(value, 'hex') $$;
CREATE FUNCTION redshift_double.too_deep(value jsonb, depth int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
  DECLARE item jsonb;
  BEGIN
    IF depth > 1000 THEN RETURN true; END IF;
    IF jsonb_typeof(value) = 'string' THEN
      IF octet_length(value #>> '{}') > 65535 THEN
        RAISE EXCEPTION 'JSON_PARSE() error: String value exceeds the max size of 65535 bytes' USING ERRCODE = 'XX000';
      END IF;
    ELSIF jsonb_typeof(value) = 'array' THEN
      FOR item IN SELECT jsonb_array_elements(value) LOOP
        IF redshift_double.too_deep(item, depth + 1) THEN RETURN true; END IF;
      END LOOP;
    ELSIF jsonb_typeof(value) = 'object' THEN
      FOR item IN SELECT v FROM jsonb_each(value) AS e(k, v) LOOP
        IF redshift_double.too_deep(item, depth + 1) THEN RETURN true; END IF;
      END LOOP;
    END IF;
    RETURN false;
  END $$;
CREATE FUNCTION redshift_double.json_parse(value text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE STRICT AS $$
  DECLARE parsed jsonb; brackets int;
  BEGIN
    IF octet_length(value) > 16777216 THEN
      RAISE EXCEPTION 'JSON_PARSE() error: SUPER value exceeds the max size of 16 MB' USING ERRCODE = 'XX000';
    END IF;
    BEGIN parsed := value::jsonb;
    EXCEPTION WHEN OTHERS THEN RAISE EXCEPTION 'JSON_PARSE() error: invalid json object' USING ERRCODE = 'XX000';
    END;
    brackets := length(value) - length(translate(value, '[{', ''));
    IF (brackets > 1000 OR octet_length(value) > 65535) AND redshift_double.too_deep(parsed, 0) THEN
      RAISE EXCEPTION 'JSON_PARSE() error: nesting is deeper than 1000' USING ERRCODE = 'XX000';
    END IF;
    RETURN parsed;
  END $$;
CREATE FUNCTION redshift_double.json_parse(value bytea) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE STRICT AS $$
  DECLARE words text;
  BEGIN
    BEGIN words := convert_from(value, 'UTF8');
    EXCEPTION WHEN OTHERS THEN RAISE EXCEPTION 'JSON_PARSE() error: invalid utf-8' USING ERRCODE = 'XX000';
    END;
    RETURN redshift_double.json_parse(words);
  END $$;
CREATE FUNCTION redshift_double.json_serialize(value jsonb) RETURNS varchar LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT value::text $$;
CREATE FUNCTION redshift_double.is_valid_json(value text) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT value IS JSON $$;
`;

const TABLES = `
CREATE TABLE redshift_double.long_name (short name PRIMARY KEY, long text NOT NULL);
CREATE TABLE redshift_double.column_meta (relid oid, attnum int, encode text, distkey boolean, sortkey int);
CREATE TABLE redshift_double.key_meta (relid oid, name text, kind text, attnums int[], referenced text);
CREATE TABLE redshift_double.load_error (id bigserial, at timestamp DEFAULT redshift_double.getdate(), query bigint, table_id bigint,
  file text, line bigint, column_name text, column_type text, code int, message text);
CREATE TABLE redshift_double.load_file (at timestamp DEFAULT redshift_double.getdate(), query bigint, file text, rows bigint, bytes bigint);
CREATE TABLE redshift_double.load_history (at timestamp DEFAULT redshift_double.getdate(), query bigint, table_name text, source text,
  rows bigint, status text, message text);
CREATE TABLE redshift_double.query_history (session_id int, query_text text, status text, start_time timestamp, end_time timestamp);
CREATE FUNCTION redshift_double.note_queries(json) RETURNS void LANGUAGE sql AS $$
  DELETE FROM redshift_double.query_history;
  INSERT INTO redshift_double.query_history SELECT * FROM json_populate_recordset(NULL::redshift_double.query_history, $1) $$;
CREATE FUNCTION redshift_double.note_error(bigint, bigint, text, bigint, text, text, int, text) RETURNS void LANGUAGE sql AS $$
  INSERT INTO redshift_double.load_error (query, table_id, file, line, column_name, column_type, code, message)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8) $$;
CREATE FUNCTION redshift_double.note_file(bigint, text, bigint, bigint) RETURNS void LANGUAGE sql AS $$
  INSERT INTO redshift_double.load_file (query, file, rows, bytes) VALUES ($1, $2, $3, $4) $$;
CREATE FUNCTION redshift_double.note_load(bigint, text, text, bigint, text, text) RETURNS void LANGUAGE sql AS $$
  INSERT INTO redshift_double.load_history (query, table_name, source, rows, status, message) VALUES ($1, $2, $3, $4, $5, $6) $$;
CREATE FUNCTION redshift_double.keep_long_name(name, text) RETURNS void LANGUAGE sql AS $$
  INSERT INTO redshift_double.long_name VALUES ($1, $2) ON CONFLICT DO NOTHING $$;
CREATE FUNCTION redshift_double.shown(name) RETURNS varchar LANGUAGE sql STABLE AS $$
  SELECT coalesce((SELECT long FROM redshift_double.long_name WHERE short = $1), $1::text) $$;
`;

const COLUMNS = `
CREATE VIEW redshift_double.column_list AS
SELECT c.oid AS relid, n.nspname, c.relname, c.relkind, a.attnum, redshift_double.shown(a.attname) AS column_name, t.typname,
  row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum) AS ordinal,
  CASE WHEN t.typname IN ('varchar', 'bpchar') AND a.atttypmod > 0 THEN a.atttypmod - 4
       WHEN t.typname = 'bytea' THEN substring(k.conname from '^rsd_vb([0-9]+)_')::int END AS length,
  CASE WHEN t.typname = 'numeric' AND a.atttypmod > 0 THEN (a.atttypmod - 4) >> 16 END AS numeric_precision,
  CASE WHEN t.typname = 'numeric' AND a.atttypmod > 0 THEN (a.atttypmod - 4) & 65535 END AS numeric_scale,
  a.attnotnull, pg_get_expr(d.adbin, d.adrelid) AS default_sql, nullif(a.attidentity, '') AS attidentity,
  m.encode, coalesce(m.distkey, false) AS distkey, coalesce(m.sortkey, 0) AS sortkey,
  CASE t.typname WHEN 'varchar' THEN 'character varying' WHEN 'bpchar' THEN 'character' WHEN 'bytea' THEN 'binary varying'
    WHEN 'jsonb' THEN 'super' WHEN 'geometry' THEN 'geometry' WHEN 'geography' THEN 'geography' WHEN 'hllsketch' THEN 'hllsketch'
    ELSE format_type(t.oid, NULL) END AS data_type
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
LEFT JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid AND k.conkey = ARRAY[a.attnum] AND k.conname LIKE 'rsd\\_vb%'
LEFT JOIN redshift_double.column_meta m ON m.relid = c.oid AND m.attnum = a.attnum
WHERE c.relkind IN ('r', 'v') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'redshift_double', 'pg_toast')
  AND (n.nspname NOT LIKE 'pg\\_temp\\_%' OR n.oid = pg_my_temp_schema());
`;

const VIEWS = `
CREATE VIEW redshift_double.svv_all_columns AS SELECT current_database()::varchar AS database_name, nspname::varchar AS schema_name,
  redshift_double.shown(relname) AS table_name, column_name, ordinal::int AS ordinal_position, default_sql::varchar AS column_default,
  CASE WHEN attnotnull THEN 'NO' ELSE 'YES' END::varchar AS is_nullable, data_type::varchar AS data_type,
  CASE WHEN typname <> 'bytea' THEN length END AS character_maximum_length, numeric_precision, numeric_scale,
  NULL::varchar AS remarks FROM redshift_double.column_list;
CREATE VIEW redshift_double.information_schema_columns AS SELECT database_name AS table_catalog, schema_name AS table_schema, table_name,
  column_name, ordinal_position, column_default, is_nullable, data_type, character_maximum_length, numeric_precision, numeric_scale
  FROM redshift_double.svv_all_columns;
CREATE VIEW redshift_double.svv_columns AS SELECT * FROM redshift_double.information_schema_columns;
CREATE VIEW redshift_double.information_schema_tables AS SELECT DISTINCT current_database()::varchar AS table_catalog, nspname::varchar AS table_schema,
  redshift_double.shown(relname) AS table_name, CASE WHEN relkind = 'v' THEN 'VIEW' WHEN nspname LIKE 'pg\\_temp%' THEN 'LOCAL TEMPORARY'
  ELSE 'BASE TABLE' END::varchar AS table_type FROM redshift_double.column_list;
CREATE VIEW redshift_double.svv_tables AS SELECT *, NULL::varchar AS remarks FROM redshift_double.information_schema_tables;
CREATE VIEW redshift_double.svv_all_tables AS SELECT table_catalog AS database_name, table_schema AS schema_name, table_name,
  CASE table_type WHEN 'VIEW' THEN 'VIEW' ELSE 'TABLE' END::varchar AS table_type, NULL::varchar AS remarks FROM redshift_double.information_schema_tables;
CREATE VIEW redshift_double.svv_all_schemas AS SELECT current_database()::varchar AS database_name, nspname::varchar AS schema_name,
  nspowner::int AS schema_owner, 'local'::varchar AS schema_type FROM pg_catalog.pg_namespace
  WHERE nspname NOT LIKE 'pg\\_%' AND nspname NOT IN ('redshift_double', 'information_schema');
CREATE VIEW redshift_double.pg_table_def AS SELECT nspname::varchar AS schemaname, redshift_double.shown(relname) AS tablename, column_name AS "column",
  (data_type || coalesce('(' || length || ')', '(' || numeric_precision || ',' || numeric_scale || ')', ''))::varchar AS type,
  coalesce(encode, 'none')::varchar AS encoding, distkey, sortkey, attnotnull AS "notnull" FROM redshift_double.column_list
  WHERE relkind = 'r' AND (nspname = ANY(current_schemas(true)));
CREATE VIEW redshift_double.information_schema_table_constraints AS SELECT current_database()::varchar AS constraint_catalog,
  n.nspname::varchar AS constraint_schema, k.name::varchar AS constraint_name, n.nspname::varchar AS table_schema,
  redshift_double.shown(c.relname) AS table_name, k.kind::varchar AS constraint_type
  FROM redshift_double.key_meta k JOIN pg_class c ON c.oid = k.relid JOIN pg_namespace n ON n.oid = c.relnamespace;
CREATE VIEW redshift_double.information_schema_key_column_usage AS SELECT k.name::varchar AS constraint_name, l.nspname::varchar AS table_schema,
  redshift_double.shown(l.relname) AS table_name, l.column_name, array_position(k.attnums, l.attnum::int) AS ordinal_position
  FROM redshift_double.key_meta k JOIN redshift_double.column_list l ON l.relid = k.relid AND l.attnum = ANY(k.attnums);
CREATE VIEW redshift_double.stv_db_isolation_level AS SELECT 0 AS db_id, current_database()::varchar AS db_name, 'Snapshot Isolation'::varchar AS isolation_level;
CREATE VIEW redshift_double.sys_load_error_detail AS SELECT 100 AS user_id, query AS query_id, 0::bigint AS transaction_id, 0 AS session_id,
  current_database()::varchar AS database_name, table_id, at AS start_time, file::varchar AS file_name, line AS line_number,
  column_name::varchar, column_type::varchar, code AS error_code, message::varchar AS error_message FROM redshift_double.load_error;
CREATE VIEW redshift_double.stl_load_errors AS SELECT 100 AS userid, 0 AS slice, table_id AS tbl, at AS starttime, 0 AS session, query,
  rpad(file, 256)::char(256) AS filename, line AS line_number, rpad(column_name, 127)::char(127) AS colname, rpad(column_type, 10)::char(10) AS type,
  ''::char(10) AS col_length, 0 AS position, ''::char(1024) AS raw_line, ''::char(1024) AS raw_field_value, code AS err_code,
  left(message, 100)::char(100) AS err_reason FROM redshift_double.load_error;
CREATE VIEW redshift_double.stl_loaderror_detail AS SELECT query, rpad(file, 256)::char(256) AS filename, line AS line_number,
  rpad(column_name, 127)::char(127) AS colname, code AS errorcode FROM redshift_double.load_error;
CREATE VIEW redshift_double.stl_load_commits AS SELECT 100 AS userid, query, 0 AS slice, rpad(file, 256)::char(256) AS filename, rows AS lines_scanned,
  at AS curtime, 1 AS status FROM redshift_double.load_file;
CREATE VIEW redshift_double.sys_load_detail AS SELECT 100 AS user_id, query AS query_id, file::varchar AS file_name, bytes AS bytes_scanned,
  rows AS lines_scanned, at AS record_time FROM redshift_double.load_file;
CREATE VIEW redshift_double.sys_query_history AS SELECT 100 AS user_id, row_number() OVER (ORDER BY start_time)::bigint AS query_id, session_id,
  current_database()::varchar AS database_name, rpad(status, 10)::char(10) AS status, start_time, end_time, query_text::varchar
  FROM redshift_double.query_history;
CREATE VIEW redshift_double.sys_load_history AS SELECT 100 AS user_id, h.query AS query_id, h.status::varchar, h.at AS start_time, h.at AS end_time,
  current_database()::varchar AS database_name, h.table_name::varchar, h.source::varchar AS data_source, 'PARQUET'::varchar AS file_format,
  h.rows AS loaded_rows, coalesce((SELECT sum(bytes) FROM redshift_double.load_file f WHERE f.query = h.query), 0)::bigint AS loaded_bytes,
  h.message::varchar AS error_message FROM redshift_double.load_history h;
`;

/** Creates the hidden schema once per database; the long names it already holds are returned. */
export async function prepare(client: pg.Client): Promise<[string, string][]> {
  await client.query('SELECT pg_advisory_lock($1)', [LOCK]);
  try {
    const found = await client.query("SELECT 1 FROM pg_namespace WHERE nspname = 'redshift_double'");
    if (found.rowCount === 0) {
      await client.query(`BEGIN; CREATE SCHEMA redshift_double; ${FUNCTIONS} ${TABLES} ${COLUMNS} ${VIEWS} COMMIT`);
    }
    const names = await client.query<[string, string]>({
      text: 'SELECT short, long FROM redshift_double.long_name',
      rowMode: 'array',
    });
    return names.rows;
  } finally {
    await client.query('SELECT pg_advisory_unlock($1)', [LOCK]);
  }
}
