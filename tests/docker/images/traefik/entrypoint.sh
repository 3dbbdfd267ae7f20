#!/bin/sh
# As the official image's: options or a subcommand alone mean traefik.
set -eu
case "$1" in
    -* | healthcheck | version) set -- traefik "$@" ;;
esac
exec "$@"
