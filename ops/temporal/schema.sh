#!/bin/sh
# Lays Temporal's own tables down, or brings them up to this version. Safe to repeat: each step leaves what is there as it is.
set -eu

tool() {
    database=$1
    shift
    temporal-sql-tool --plugin postgres12 --endpoint "$POSTGRES_SEEDS" --port 5432 --user "$POSTGRES_USER" --database "$database" "$@"
}

for name in temporal visibility; do
    database=temporal
    [ "$name" = temporal ] || database="temporal_$name"
    tool "$database" create-database || echo "$database is there already"
    tool "$database" setup-schema --version 0.0
    tool "$database" update-schema --schema-dir "/etc/temporal/schema/postgresql/v12/$name/versioned"
done
