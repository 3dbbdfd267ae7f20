"""What makes the roles and databases of the stack's Postgres, in an empty cluster and in one that has some.

Postgres's image runs the script once, when it makes the cluster; a deploy runs it again, over the server's own socket,
when somebody joins or a password is changed. It never sees a password: `/run/roles/<role>` holds what Postgres itself
keeps of one (a SCRAM verifier), so neither a log nor `pg_stat_statements` can repeat it.
"""

from __future__ import annotations

from collections.abc import Collection

from compose.stack.consumers import SUPERUSER, Consumer, passwords

#: Where the script lies in the rendered folder, and in the container.
SCRIPT = "postgres/init/10-roles.sh"
MOUNTED = "/docker-entrypoint-initdb.d/10-roles.sh"

#: What `docker compose` is told to bring a running Postgres up to date.
ENSURE = ("exec", "-T", "postgres", "sh", MOUNTED)

_HEAD = """\
#!/bin/sh
# Made by `cli render`. Running it again changes nothing but what is missing or has a new password.
(
set -eu
MAITRE_ROLES_DIR=${{MAITRE_ROLES_DIR:-/run/roles}}
export MAITRE_ROLES_DIR
for role in {roles}; do
    case $(cat "$MAITRE_ROLES_DIR/$role" 2>/dev/null) in
    'SCRAM-SHA-256$'*) ;;
    *)
        echo "postgres: $MAITRE_ROLES_DIR/$role is missing or no SCRAM verifier; \\`cli deploy\\` writes it." >&2
        exit 1 ;;
    esac
done
psql --no-psqlrc --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 --username postgres --dbname postgres <<'SQL'
SET client_min_messages = warning;
"""
_TAIL = """\
SQL
)
"""

#: `{role}` is a name of ours, never a guest's word. `\\gexec` runs the statement that a query gives, if it gives one.
_ROLE = """
\\connect postgres
SELECT 'CREATE ROLE {role}' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') \\gexec
SELECT 'ALTER ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS' FROM pg_roles
 WHERE rolname = '{role}'
   AND (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls OR NOT rolcanlogin) \\gexec
"""
_PASSWORD = """\
\\set verifier `cat "$MAITRE_ROLES_DIR"/{role}`
SELECT format('ALTER ROLE {role} PASSWORD %L', :'verifier') FROM pg_authid
 WHERE rolname = '{role}' AND rolpassword IS DISTINCT FROM :'verifier' \\gexec
"""
_DATABASE = """\
SELECT 'CREATE DATABASE {role} OWNER {role}' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{role}') \\gexec
SELECT 'REVOKE ALL ON DATABASE {role} FROM PUBLIC' FROM pg_database
 WHERE datname = '{role}' AND has_database_privilege('public', oid, 'CONNECT, TEMPORARY, CREATE') \\gexec
\\connect {role}
SET client_min_messages = warning;
SELECT 'REVOKE CREATE ON SCHEMA public FROM PUBLIC' WHERE has_schema_privilege('public', 'public', 'CREATE') \\gexec
"""
_EXTENSION = """\
CREATE EXTENSION IF NOT EXISTS {extension};
"""
_CLOSED = """\
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', datname) FROM pg_database
 WHERE datname IN ('postgres', 'template1') AND has_database_privilege('public', oid, 'CONNECT, TEMPORARY') \\gexec
"""


def postgres_init(consumers: Collection[Consumer]) -> dict[str, str]:
    """The rendered files: one script, idempotent. Each consumer owns its database, reaches no other one, and may
    make neither roles nor databases."""
    wanted = sorted(consumers, key=lambda one: one.role)
    parts = [_HEAD.format(roles=" ".join(passwords(wanted))), _CLOSED]
    for one in wanted:
        parts += [part.format(role=one.role) for part in (_ROLE, _PASSWORD, _DATABASE)]
        parts += [_EXTENSION.format(extension=extension) for extension in sorted(one.extensions)]
    return {SCRIPT: "".join((*parts, _PASSWORD.format(role=SUPERUSER), _TAIL))}
