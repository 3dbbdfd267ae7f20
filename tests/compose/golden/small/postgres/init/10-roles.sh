#!/bin/sh
# Made by `cli render`. Running it again changes nothing but what is missing or has a new password.
(
set -eu
MAITRE_ROLES_DIR=${MAITRE_ROLES_DIR:-/run/roles}
export MAITRE_ROLES_DIR
for role in postgres maitre open_webui rag; do
    case $(cat "$MAITRE_ROLES_DIR/$role" 2>/dev/null) in
    'SCRAM-SHA-256$'*) ;;
    *)
        echo "postgres: $MAITRE_ROLES_DIR/$role is missing or no SCRAM verifier; \`cli deploy\` writes it." >&2
        exit 1 ;;
    esac
done
psql --no-psqlrc --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 --username postgres --dbname postgres <<'SQL'
SET client_min_messages = warning;
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', datname) FROM pg_database
 WHERE datname IN ('postgres', 'template1') AND has_database_privilege('public', oid, 'CONNECT, TEMPORARY') \gexec

\connect postgres
SELECT 'CREATE ROLE maitre' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'maitre') \gexec
SELECT 'ALTER ROLE maitre LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS' FROM pg_roles
 WHERE rolname = 'maitre'
   AND (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls OR NOT rolcanlogin) \gexec
\set verifier `cat "$MAITRE_ROLES_DIR"/maitre`
SELECT format('ALTER ROLE maitre PASSWORD %L', :'verifier') FROM pg_authid
 WHERE rolname = 'maitre' AND rolpassword IS DISTINCT FROM :'verifier' \gexec
SELECT 'CREATE DATABASE maitre OWNER maitre' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'maitre') \gexec
SELECT 'REVOKE ALL ON DATABASE maitre FROM PUBLIC' FROM pg_database
 WHERE datname = 'maitre' AND has_database_privilege('public', oid, 'CONNECT, TEMPORARY, CREATE') \gexec
\connect maitre
SET client_min_messages = warning;
SELECT 'REVOKE CREATE ON SCHEMA public FROM PUBLIC' WHERE has_schema_privilege('public', 'public', 'CREATE') \gexec

\connect postgres
SELECT 'CREATE ROLE open_webui' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'open_webui') \gexec
SELECT 'ALTER ROLE open_webui LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS' FROM pg_roles
 WHERE rolname = 'open_webui'
   AND (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls OR NOT rolcanlogin) \gexec
\set verifier `cat "$MAITRE_ROLES_DIR"/open_webui`
SELECT format('ALTER ROLE open_webui PASSWORD %L', :'verifier') FROM pg_authid
 WHERE rolname = 'open_webui' AND rolpassword IS DISTINCT FROM :'verifier' \gexec
SELECT 'CREATE DATABASE open_webui OWNER open_webui' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'open_webui') \gexec
SELECT 'REVOKE ALL ON DATABASE open_webui FROM PUBLIC' FROM pg_database
 WHERE datname = 'open_webui' AND has_database_privilege('public', oid, 'CONNECT, TEMPORARY, CREATE') \gexec
\connect open_webui
SET client_min_messages = warning;
SELECT 'REVOKE CREATE ON SCHEMA public FROM PUBLIC' WHERE has_schema_privilege('public', 'public', 'CREATE') \gexec

\connect postgres
SELECT 'CREATE ROLE rag' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rag') \gexec
SELECT 'ALTER ROLE rag LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS' FROM pg_roles
 WHERE rolname = 'rag'
   AND (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls OR NOT rolcanlogin) \gexec
\set verifier `cat "$MAITRE_ROLES_DIR"/rag`
SELECT format('ALTER ROLE rag PASSWORD %L', :'verifier') FROM pg_authid
 WHERE rolname = 'rag' AND rolpassword IS DISTINCT FROM :'verifier' \gexec
SELECT 'CREATE DATABASE rag OWNER rag' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'rag') \gexec
SELECT 'REVOKE ALL ON DATABASE rag FROM PUBLIC' FROM pg_database
 WHERE datname = 'rag' AND has_database_privilege('public', oid, 'CONNECT, TEMPORARY, CREATE') \gexec
\connect rag
SET client_min_messages = warning;
SELECT 'REVOKE CREATE ON SCHEMA public FROM PUBLIC' WHERE has_schema_privilege('public', 'public', 'CREATE') \gexec
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS vector;
\set verifier `cat "$MAITRE_ROLES_DIR"/postgres`
SELECT format('ALTER ROLE postgres PASSWORD %L', :'verifier') FROM pg_authid
 WHERE rolname = 'postgres' AND rolpassword IS DISTINCT FROM :'verifier' \gexec
SQL
)
