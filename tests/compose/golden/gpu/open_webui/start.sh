#!/bin/sh
# Made by `cli render`: reads the secrets of Open WebUI, then runs its program.
set -eu
folder=${MAITRE_SECRETS_DIR:-/run/secrets}

read_secret() {
    if ! value=$(cat "$folder/$1" 2>/dev/null) || [ -z "$value" ]; then
        printf '%s\n' "open_webui: the secret $1 is missing, empty or not readable; \`cli deploy\` puts it there." >&2
        exit 1
    fi
}

read_secret gateway_key; secret_gateway_key=$value
read_secret open_webui_db_password_url; secret_open_webui_db_password_url=$value
read_secret user_jwt; secret_user_jwt=$value
read_secret webui_admin_password; secret_webui_admin_password=$value
read_secret webui_secret_key; secret_webui_secret_key=$value
export DATABASE_URL='postgresql+psycopg://open_webui:'"$secret_open_webui_db_password_url"'@postgres:5432/open_webui'
export FORWARD_USER_INFO_HEADER_JWT_SECRET="$secret_user_jwt"
export OPENAI_API_KEYS="$secret_gateway_key"
export WEBUI_ADMIN_PASSWORD="$secret_webui_admin_password"
export WEBUI_SECRET_KEY="$secret_webui_secret_key"
unset folder value secret_gateway_key secret_open_webui_db_password_url secret_user_jwt secret_webui_admin_password secret_webui_secret_key
exec "$@"
