#!/bin/sh
# Run by a deploy in Valkey's container while it serves: from now on the password in /run/roles/default opens, too, or
# with `alone` no other. A digest is told, for the whole machine reads a command line. /tmp/password has one that opens.
set -eu
umask 077
known=${TMPDIR:-/tmp}/password
new=$(cat "${MAITRE_ROLES_DIR:-/run/roles}/default")
digest=$(printf %s "$new" | sha256sum | cut -c 1-64)

tell() {
    said=$(REDISCLI_AUTH=$(cat "$known") valkey-cli ACL SETUSER default "$@" 2>&1) || true
    if [ "$said" != OK ]; then
        echo "valkey: it does not take its new password: $said" >&2
        exit 1
    fi
}

tell "#$digest"
printf '%s\n' "$new" > "$known.new"
mv "$known.new" "$known"
if [ "${1:-}" = alone ]; then
    tell resetpass "#$digest"
fi
