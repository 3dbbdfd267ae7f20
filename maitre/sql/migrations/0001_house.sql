-- The house's first schema: plans, assistants, accounts, the ledger and the request log.

create table plans (
    slug     text primary key,
    spec     jsonb not null
);

create table assistants (
    slug     text primary key,
    enabled  boolean not null,
    spec     jsonb not null
);

-- One row whose version rises with every change of a plan or an assistant, so that a turn can tell with the
-- query that it makes anyway whether its copy of the catalogue is current.
create table catalogue (
    one      boolean primary key default true check (one),
    version  bigint not null
);
insert into catalogue (version) values (1);

create function catalogue_changed() returns trigger language plpgsql as $$
begin
    update catalogue set version = version + 1;
    return null;
end $$;
create trigger plans_changed after insert or update or delete on plans
    for each statement execute function catalogue_changed();
create trigger assistants_changed after insert or update or delete on assistants
    for each statement execute function catalogue_changed();

create table accounts (
    user_id    text primary key,             -- Open WebUI's
    email      text not null,
    name       text not null,
    role       text not null default 'user',
    plan       text,                         -- null: the house's default plan
    created_at timestamptz not null default now()
);

-- One row for every upstream call. It is written with status 'open' before the call and settled once.
create table ledger (
    id                bigint generated always as identity primary key,
    request_id        text not null unique,  -- sent upstream as X-Request-Id
    turn_id           text not null,
    chat_id           text not null default '',
    trace_id          text not null default '',
    at                timestamptz not null,
    ended_at          timestamptz,
    first_token_ms    integer,
    user_id           text not null,
    plan              text not null,
    door              text not null,
    assistant         text not null default '',
    provider          text not null,
    model             text not null,
    kind              text not null check (kind in ('turn', 'tool', 'task', 'repair', 'embedding', 'summary')),
    counted           smallint not null check (counted in (0, 1)),  -- whether it is one of the plan's requests
    held_prompt       bigint not null check (held_prompt >= 0),
    held_completion   bigint not null check (held_completion >= 0),
    expires_at        timestamptz not null,  -- of the hold, while the row is open
    prompt_tokens     bigint not null default 0 check (prompt_tokens >= 0),
    completion_tokens bigint not null default 0 check (completion_tokens >= 0),
    estimated         boolean not null default true,
    cost              bigint not null default 0 check (cost >= 0),  -- in 10^-9 of the currency
    currency          text not null,
    price_version     text not null default '',
    status            text not null check (status in ('open', 'done', 'stopped', 'error', 'lost'))
);
create index ledger_by_account on ledger (user_id, at);
create index ledger_by_turn on ledger (turn_id);
create index ledger_open on ledger (expires_at) where status = 'open';

-- What was said, where the house, the plan and the assistant all allow it to be kept.
create table request_log (
    request_id text primary key references ledger (request_id) on delete cascade,
    input      text not null,
    output     text not null,
    delete_at  timestamptz not null
);
create index request_log_expiry on request_log (delete_at);
