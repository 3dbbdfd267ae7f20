#!/bin/bash
# Does for a container what the official image's entrypoint promises: a cluster on an empty volume, its user, password
# and database, the scripts of /docker-entrypoint-initdb.d, then the command.
set -euo pipefail

fail() { echo "$*" >&2; exit 1; }

from_file() { # VARIABLE: its value, or what stands in the file that VARIABLE_FILE names
    local file="$1_FILE"
    if [ -n "${!file:-}" ]; then
        [ -z "${!1:-}" ] || fail "Both $1 and $file are set."
        printf -v "$1" %s "$(<"${!file}")"
    fi
}

first_start() {
    from_file POSTGRES_PASSWORD
    from_file POSTGRES_USER
    from_file POSTGRES_DB
    local user="${POSTGRES_USER:-postgres}"
    local database="${POSTGRES_DB:-$user}"
    [ -n "${POSTGRES_PASSWORD:-}" ] || fail "The database is new and no POSTGRES_PASSWORD is set."
    # shellcheck disable=SC2086
    initdb --username="$user" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") -D "$PGDATA" ${POSTGRES_INITDB_ARGS:-}
    echo "host all all all ${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
    printf "listen_addresses = '*'\nunix_socket_directories = '/var/run/postgresql'\n" >>"$PGDATA/postgresql.conf"

    pg_ctl -D "$PGDATA" -o "$(printf '%q ' "${@:2}") -c listen_addresses=''" -w start
    local -a ask=(psql -v ON_ERROR_STOP=1 --no-psqlrc --no-password --username "$user")
    [ "$database" = postgres ] || "${ask[@]}" --dbname postgres -v db="$database" <<<'CREATE DATABASE :"db";'
    export POSTGRES_USER="$user" POSTGRES_DB="$database" POSTGRES_PASSWORD
    local script
    for script in /docker-entrypoint-initdb.d/*; do
        case "$script" in
            *.sh) if [ -x "$script" ]; then "$script"; else . "$script"; fi ;;
            *.sql) "${ask[@]}" --dbname "$database" -f "$script" ;;
        esac
    done
    pg_ctl -D "$PGDATA" -m fast -w stop
    unset POSTGRES_PASSWORD
}

[ "${1:0:1}" != - ] || set -- postgres "$@"
if [ "$1" = postgres ]; then
    if [ "$(id -u)" = 0 ]; then
        install -d -o 999 -g 999 -m 700 "$PGDATA"
        chown -R 999:999 "$PGDATA" /var/run/postgresql
        exec setpriv --reuid=999 --regid=999 --clear-groups "$0" "$@"
    fi
    mkdir -p "$PGDATA"
    chmod 700 "$PGDATA"
    [ -s "$PGDATA/PG_VERSION" ] || first_start "$@"
fi
exec "$@"
