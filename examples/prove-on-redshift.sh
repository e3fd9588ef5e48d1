#!/usr/bin/env bash
# Proves on a Redshift cluster or workgroup of yours what the tests can only prove on a double of it. Takes some minutes.
#
#   examples/prove-on-redshift.sh
#
# Reads TABLEPIPE_MYSQL_URL (an account that may create a database; `make up` has one), TABLEPIPE_WAREHOUSE_URL
# (redshift://user@host:5439/dev; a user that may create schemas), TABLEPIPE_BUCKET (in the cluster's region),
# TABLEPIPE_IAM_ROLE and the AWS variables. It works in a database, a schema and a prefix of its own, and removes them.
set -Eeuo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
bucket=${TABLEPIPE_BUCKET:?set TABLEPIPE_BUCKET to a bucket in the region of the cluster}
: "${TABLEPIPE_MYSQL_URL:?set TABLEPIPE_MYSQL_URL}" "${TABLEPIPE_WAREHOUSE_URL:?set TABLEPIPE_WAREHOUSE_URL}"
id=tablepipe_proof_$$
prefix=s3://$bucket/$id
work=$(mktemp -d)
export TABLEPIPE_MANIFEST_PREFIX=$prefix/manifests/

# One statement on either side; rows as lines, columns between bars.
mysql_sql() { (cd "$here" && node --input-type=module -e '
  import { createConnection } from "mysql2/promise";
  const client = await createConnection({ uri: process.env.TABLEPIPE_MYSQL_URL, dateStrings: true, supportBigNumbers: true, bigNumberStrings: true, rowsAsArray: true });
  await client.query("SET time_zone = \"+00:00\", NAMES utf8mb4");
  const [rows] = await client.query(process.argv[1]);
  if (Array.isArray(rows)) for (const row of rows) console.log(row.map((value) => value ?? "NULL").join("|"));
  await client.end();' "$1"); }
warehouse_sql() { (cd "$here" && node --input-type=module -e '
  import pg from "pg";
  const url = new URL(process.env.TABLEPIPE_WAREHOUSE_URL.replace(/^redshift:/, "http:"));
  const ssl = url.searchParams.get("sslmode") === "disable" ? false : { rejectUnauthorized: false };
  const [user, password] = [url.username, url.password].map(decodeURIComponent);
  const client = new pg.Client({ host: url.hostname, port: Number(url.port || 5439), user, ...(password ? { password } : {}), database: url.pathname.slice(1) || "dev", ssl });
  await client.connect();
  const result = await client.query({ text: process.argv[1], rowMode: "array", types: { getTypeParser: () => (value) => value } });
  for (const row of result.rows) console.log(row.map((value) => value ?? "NULL").join("|"));
  await client.end();' "$1"); }

cleanup() {
  mysql_sql "DROP DATABASE IF EXISTS $id" || true
  warehouse_sql "DROP SCHEMA IF EXISTS $id CASCADE" || true
  rm -rf "$work"
  echo "left to remove by hand or by a lifecycle rule: $prefix/" >&2
}
trap cleanup EXIT

same() { # WHAT EXPECTED FOUND
  [[ $2 == "$3" ]] || { printf 'NOT PROVED: %s\nexpected: %s\nfound:    %s\n' "$1" "$2" "$3"; exit 1; }
  echo "proved: $1"
}
extract() { # TABLE RECEIPTS
  mysql-extract "$id.$1" --cursor none --lag 0s | to-parquet --split-rows 4 | s3-put "$prefix/$1/" >"$2"
}
load() { rs-copy "$id.$1" --create "${@:2}"; }
count() { warehouse_sql "SELECT count(*) FROM $id.$1"; }

mysql_sql "CREATE DATABASE $id"
mysql_sql "CREATE TABLE $id.kinds (id BIGINT UNSIGNED PRIMARY KEY, small TINYINT, amount DECIMAL(5,2), large DECIMAL(38,10),
  ratio DOUBLE, word VARCHAR(20) CHARACTER SET utf8mb4, at DATETIME(6), seen TIMESTAMP(6) NULL, day DATE, doc JSON, bin VARBINARY(8))"
mysql_sql "INSERT INTO $id.kinds VALUES
  (1, -128, -999.99, 1234567890123456789012345678.0123456789, 0.1, 'plain', '2024-02-29 23:59:59.999999', '2038-01-19 03:14:07.999999', '9999-12-31', '{\"a\": [1, 2]}', x'00ff10'),
  (18446744073709551615, 127, 999.99, -0.0000000001, -1.5, 'ü ⛵ \\\\ ''', '1000-01-01 00:00:00.000001', '1970-01-01 00:00:01.000001', '0001-01-01', '\"text\"', x''),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"

extract kinds "$work/kinds"
load kinds <"$work/kinds" >/dev/null
same 'COPY takes every physical type, and the values are the same' \
  "$(mysql_sql "SELECT id, small, amount, large, ratio, word, at, day, LOWER(HEX(bin)) FROM $id.kinds ORDER BY id")" \
  "$(warehouse_sql "SELECT id, small, amount, large, ratio, word, at, day, bin FROM $id.kinds ORDER BY id")"
same 'TIMESTAMP is TIMESTAMPTZ in UTC' 2 "$(warehouse_sql "SELECT count(*) FROM $id.kinds WHERE seen IS NOT NULL")"
same 'JSON is a document in SUPER, by JSON_PARSE' '{"a":[1,2]}' "$(warehouse_sql "SELECT doc FROM $id.kinds WHERE id = 1")"

mysql_sql "CREATE TABLE $id.plain (id INT PRIMARY KEY, word VARCHAR(10) CHARACTER SET ascii)"
mysql_sql "INSERT INTO $id.plain VALUES (1,'a'),(2,'b'),(3,'c'),(4,'d'),(5,'e'),(6,'f'),(7,'g'),(8,'h'),(9,'i'),(10,'j')"
extract plain "$work/plain"
load plain --mode append <"$work/plain" >/dev/null
same 'one COPY of a manifest loads all files' 10 "$(count plain)"
load plain --mode append <"$work/plain" >"$work/again"
same 'the same receipts again load nothing' 10 "$(count plain)"
grep -q already_loaded "$work/again"

for point in after-lock after-copy before-commit after-commit; do
  table=killed_${point//-/_}
  TABLEPIPE_UNSAFE_FAILPOINTS=rs-copy.$point=kill load "$table" --mode append <"$work/plain" >/dev/null || true
  load "$table" --mode append <"$work/plain" >/dev/null
  same "killed at $point and run again: nothing lost, nothing twice" 10 "$(count "$table")"
done

for loader in 1 2 3 4; do load raced --mode append <"$work/plain" >/dev/null & loaders[loader]=$!; done
for loader in "${loaders[@]}"; do wait "$loader" || [[ $? == 75 ]]; done
same 'four loaders at once: LOCK keeps them apart under the isolation of this database' 10 "$(count raced)"

mysql_sql "ALTER TABLE $id.plain MODIFY word VARCHAR(40) CHARACTER SET ascii, ADD COLUMN extra INT"
mysql_sql "UPDATE $id.plain SET word = REPEAT('x', 40), extra = id WHERE id = 1"
extract plain "$work/wide"
load plain --key id --mode upsert --evolve add <"$work/wide" >/dev/null
same 'ADD COLUMN in the transaction, VARCHAR widened outside of it, the new version of a row wins' \
  "10|40" "$(warehouse_sql "SELECT count(*), max(len(word)) FROM $id.plain")"

load soft --mode replace <"$work/plain" >/dev/null
mysql_sql "DELETE FROM $id.plain WHERE id > 5"
extract plain "$work/fewer"
load soft --mode replace --evolve add <"$work/fewer" >/dev/null
same 'replace deletes what a snapshot no longer has' 5 "$(count soft)"
echo 'all of it holds on this server'
