#!/bin/sh
# Runs the project's uv with the index, certificates and time-out that this machine has set for pip; uv itself
# reads none of them. Hashes in the lock files decide what may be installed, wherever it comes from.
set -eu
here=$(dirname "$0")/../.venv/bin
for_pip() { "$here/python" -m pip config get "global.$1" 2>/dev/null || true; }

[ -n "${UV_DEFAULT_INDEX:-}" ] || UV_DEFAULT_INDEX=${PIP_INDEX_URL:-$(for_pip index-url)}
[ -n "${SSL_CERT_FILE:-}" ] || SSL_CERT_FILE=${PIP_CERT:-$(for_pip cert)}
if [ -n "$UV_DEFAULT_INDEX" ]; then export UV_DEFAULT_INDEX; else unset UV_DEFAULT_INDEX; fi
if [ -n "$SSL_CERT_FILE" ]; then export SSL_CERT_FILE; else unset SSL_CERT_FILE; fi
if [ -e /etc/ssl/certs/ca-certificates.crt ]; then export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-1}"; fi
export UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-180}" UV_PYTHON_DOWNLOADS=never
exec "$here/uv" "$@"
