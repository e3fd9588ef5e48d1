# `make` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -Eeuo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

.PHONY: help install build check format test test-slow mutants torture soak up down demo clean
.PHONY: bench bench-extract bench-files bench-put bench-put-memory bench-load

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 16

node_modules/.package-lock.json: package.json package-lock.json
	npm ci --no-audit --no-fund
	@touch $@

install: node_modules/.package-lock.json ## install the npm packages

build: install ## compile TypeScript into dist
	@rm -rf dist && node node_modules/ts7/bin/tsc -p .

check: build ## types, lint, format, import rules
	node_modules/.bin/oxlint --type-aware src test
	node_modules/.bin/biome format src test
	node dist/test/support/import-rules.js

format: install ## rewrite the sources in the house format
	node_modules/.bin/biome format --write src test

test: build ## start real servers, run the tests (or FILES="test/a.test.ts ..."), stop the servers
	@node dist/test/support/run-tests.js $(FILES)

test-slow: build ## the same with the long tests
	@node dist/test/support/run-tests.js --slow $(FILES)

mutants: build ## break copies of the programs on purpose (or NAMES="03 07"); the tests must notice
	@node dist/test/fault/mutants.js $(NAMES)

bench: bench-extract bench-files bench-load ## every measurement below (needs make up; . .run/env)

bench-files: build bench-put ## Arrow to Parquet on one core against parquet-wasm fed from memory, then bench-put
	node dist/test/bench/to-parquet.js

bench-extract: build ## MySQL rows to Arrow against the socket alone, the mariadb client and mysql2; wants TABLEPIPE_MYSQL_URL
	node dist/test/bench/extract.js

up: build ## start MariaDB, PostgreSQL and S3 for a person; then: . .run/env
	@node dist/test/support/up.js

down: build ## stop what `make up` started
	@node dist/test/support/down.js

demo: build ## the pipeline on real servers, twice, with the proof; leaves nothing running
	@node dist/test/support/demo.js

clean: ## remove what was built
	rm -rf dist .run

bench-load: build ## measure rs-copy against psql \copy (needs make up; . .run/env)
	node dist/test/bench/load.js 500000 --record

bench-put: build ## measure s3-put of 1 GiB against a bare UploadPart loop (needs make up; . .run/env)
	node dist/test/bench/put.js 1024 --record

bench-put-memory: build ## whether s3-put keeps its memory while the store becomes slow; five minutes (needs make up; . .run/env)
	node dist/test/bench/put-memory.js

torture: build ## kill, cut and stop the pipeline by seed for TORTURE_MINUTES (10), compare; SEED=… [ROUND=…] replays, RECORD=1 notes the counts
	node dist/test/torture/main.js $(if $(RECORD),--record)

soak: build ## move ROWS narrow rows (default 20000000) and watch the memory of every stage; starts servers of its own
	node dist/test/bench/soak.js $(or $(ROWS),20000000) $(ENGINE)
