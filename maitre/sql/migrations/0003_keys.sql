-- API keys. Of a key's secret only a digest is kept.

create table api_keys (
    id         text primary key,
    user_id    text not null references accounts (user_id) on delete cascade,
    name       text not null,
    digest     bytea not null,                -- SHA-256 of the secret
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    models     text[] not null default '{}',  -- public ids; none: all of the plan's
    limits     jsonb not null default '{}',   -- by the names of windows, below the plan's
    manages    boolean not null default false -- whether it may make and revoke the account's keys
);
create index api_keys_by_account on api_keys (user_id, created_at);
