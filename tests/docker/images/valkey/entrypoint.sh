#!/bin/bash
# As the official image's: options or a file alone mean valkey-server, and root becomes valkey.
set -euo pipefail
case "$1" in
    -* | *.conf) set -- valkey-server "$@" ;;
esac
if [ "$1" = valkey-server ] && [ "$(id -u)" = 0 ]; then
    chown -R 999:999 /data
    exec setpriv --reuid=999 --regid=999 --clear-groups "$0" "$@"
fi
exec "$@"
