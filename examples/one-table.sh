#!/usr/bin/env bash
# Moves what changed in one MySQL table to S3 and into the warehouse. Run it again at any time, also after a kill.
#
#   examples/one-table.sh SCHEMA.TABLE [TARGET_SCHEMA.TARGET_TABLE]
#
# Reads TABLEPIPE_MYSQL_URL, TABLEPIPE_WAREHOUSE_URL, TABLEPIPE_WM_STORE, TABLEPIPE_BUCKET and the AWS variables.
set -Eeuo pipefail

table=${1:-shop.orders}
target=${2:-analytics.${table#*.}}
bucket=${TABLEPIPE_BUCKET:?set TABLEPIPE_BUCKET to the bucket for the Parquet files}

mysql-extract "$table" --since "$(wm get "$table" --format cursor)" \
  | to-parquet --split-size "${SPLIT_SIZE:-64MiB}" \
  | s3-put "s3://$bucket/incremental/$table/" \
  | wm advance "$table" \
  | rs-copy "$target" --from-store "$table" --create
