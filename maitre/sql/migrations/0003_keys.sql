-- API keys. Of a key's secret only a digest is kept.

create table api_keys (
    id           text primary key,
    user_id      text not null references accounts (user_id) on delete cascade,
    name         text not null,
    digest       bytea not null,                 -- SHA-256 of the secret
    old_digest   bytea,                          -- of the secret before it, which is taken until old_until
    old_until    timestamptz,
    created_at   timestamptz not null default now(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz,                    -- written once a minute at most, and in no index
    models       text[] not null default '{}',   -- public ids; none: all of the plan's
    limits       jsonb not null default '{}',    -- by the names of windows, below the plan's
    networks     jsonb not null default '{}',    -- allow and deny: lists of networks from which it may be used
    manages      boolean not null default false  -- whether it may make and revoke the account's keys
);
create index api_keys_by_account on api_keys (user_id, created_at);

-- A suspended account is refused at every door, and its keys with it.
alter table accounts add column suspended boolean not null default false;
