-- Collections, who may read them, and their documents. Chunks have tables of their own, one for each dimension.
create extension if not exists vector;
create extension if not exists pg_trgm;

create table collections (
    id bigint generated always as identity primary key,
    name text not null unique,
    title text not null,
    description text not null default '',
    language text not null default 'simple',
    model text not null,
    dimension integer not null check (dimension > 0),
    index text not null check (index in ('hnsw', 'ivfflat', 'exact')),
    created_at timestamptz not null default now()
);

-- Who may do what: kind is user (Open WebUI id or e-mail, in lower case), group (name), assistant (slug) or everyone.
create table grants (
    collection bigint not null references collections on delete cascade,
    role text not null check (role in ('owner', 'reader')),
    kind text not null check (kind in ('user', 'group', 'assistant', 'everyone')),
    who text not null,
    primary key (collection, role, kind, who)
);
create index on grants (kind, who);

-- A document answers with its `version`, and a newer one is made ready beside it. `key` is the owner's name for it.
create table documents (
    id uuid primary key,
    collection bigint not null references collections on delete cascade,
    key text not null,
    title text not null default '',
    url text not null default '',
    metadata jsonb not null default '{}',
    media_type text not null default '',
    size bigint not null default 0,
    version integer not null default 0,          -- which one answers; 0: none yet
    content_hash text not null default '',       -- of the version that answers
    chunks integer not null default 0,
    pages integer,
    status text not null default 'waiting' check (status in ('waiting', 'working', 'ready', 'failed', 'cancelled')),
    fault text not null default '',              -- one sentence, of the newest attempt
    fault_code text not null default '',
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default now(),
    unique (collection, key)
);
