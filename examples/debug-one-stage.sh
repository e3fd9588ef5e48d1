#!/usr/bin/env bash
# Every stage alone, with a file between each two, so that one can be looked at and run again on its own.
# Works in a folder of its own and on a watermark of its own: nothing here touches a real run.
#
#   examples/debug-one-stage.sh SCHEMA.TABLE [FOLDER]
set -Eeuo pipefail

table=${1:-shop.orders}
folder=${2:-$(mktemp -d)}
store=file://$folder/watermarks/
cd "$folder"

echo "== the first three rows, as NDJSON"
mysql-extract "$table" --limit 3 --format ndjson --bare

echo "== the plan: MySQL type, Arrow, Parquet, Redshift, PostgreSQL"
mysql-extract "$table" --explain-types

echo "== 1000 rows as an Arrow stream, then as two Parquet files in a tar"
mysql-extract "$table" --limit 1000 > rows.arrow
to-parquet --split-rows 500 < rows.arrow > files.tar
# GNU tar remarks on each pax record it does not know; the records are ours.
tar --warning=no-unknown-keyword -tvf files.tar

echo "== the same rows as one file, looked into"
to-parquet -o rows.parquet < rows.arrow
from-parquet --schema rows.parquet
from-parquet --head 2 rows.parquet
rs-ddl --target postgres rows.parquet

echo "== stored below $folder, receipts on stdout"
s3-put "file://$folder/objects/" < files.tar | tee receipts.ndjson

echo "== committed to a watermark chain of its own"
wm advance "$table" --store "$store" < receipts.ndjson > committed.ndjson
wm get "$table" --store "$store" --json
wm history "$table" --store "$store"
