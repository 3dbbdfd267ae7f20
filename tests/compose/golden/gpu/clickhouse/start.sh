#!/bin/sh
# Made by `cli render`: reads the secrets of ClickHouse, then runs its program.
set -eu
folder=${MAITRE_SECRETS_DIR:-/run/secrets}

read_secret() {
    if ! value=$(cat "$folder/$1" 2>/dev/null) || [ -z "$value" ]; then
        printf '%s\n' "clickhouse: the secret $1 is missing, empty or not readable; \`cli deploy\` puts it there." >&2
        exit 1
    fi
}

read_secret clickhouse_password; secret_clickhouse_password=$value
export CLICKHOUSE_PASSWORD="$secret_clickhouse_password"
unset folder value secret_clickhouse_password
exec "$@"
