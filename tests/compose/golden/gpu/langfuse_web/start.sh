#!/bin/sh
# Made by `cli render`: reads the secrets of Langfuse, then runs its program.
set -eu
folder=${MAITRE_SECRETS_DIR:-/run/secrets}

read_secret() {
    if ! value=$(cat "$folder/$1" 2>/dev/null) || [ -z "$value" ]; then
        printf '%s\n' "langfuse_web: the secret $1 is missing, empty or not readable; \`cli deploy\` puts it there." >&2
        exit 1
    fi
}

read_secret clickhouse_password; secret_clickhouse_password=$value
read_secret langfuse_admin_password; secret_langfuse_admin_password=$value
read_secret langfuse_db_password; secret_langfuse_db_password=$value
read_secret langfuse_encryption_key; secret_langfuse_encryption_key=$value
read_secret langfuse_nextauth_secret; secret_langfuse_nextauth_secret=$value
read_secret langfuse_public_key; secret_langfuse_public_key=$value
read_secret langfuse_salt; secret_langfuse_salt=$value
read_secret langfuse_secret_key; secret_langfuse_secret_key=$value
read_secret minio_root_password; secret_minio_root_password=$value
read_secret valkey_queues_password; secret_valkey_queues_password=$value
export CLICKHOUSE_PASSWORD="$secret_clickhouse_password"
export DATABASE_URL='postgresql://langfuse:'"$secret_langfuse_db_password"'@postgres:5432/langfuse'
export ENCRYPTION_KEY="$secret_langfuse_encryption_key"
export LANGFUSE_INIT_PROJECT_PUBLIC_KEY="$secret_langfuse_public_key"
export LANGFUSE_INIT_PROJECT_SECRET_KEY="$secret_langfuse_secret_key"
export LANGFUSE_INIT_USER_PASSWORD="$secret_langfuse_admin_password"
export LANGFUSE_S3_EVENT_UPLOAD_SECRET_ACCESS_KEY="$secret_minio_root_password"
export NEXTAUTH_SECRET="$secret_langfuse_nextauth_secret"
export REDIS_AUTH="$secret_valkey_queues_password"
export SALT="$secret_langfuse_salt"
unset folder value secret_clickhouse_password secret_langfuse_admin_password secret_langfuse_db_password secret_langfuse_encryption_key secret_langfuse_nextauth_secret secret_langfuse_public_key secret_langfuse_salt secret_langfuse_secret_key secret_minio_root_password secret_valkey_queues_password
exec "$@"
