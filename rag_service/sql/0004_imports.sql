-- Tables of the stock store that are taken over, each by one job: `import-` and the id.
create table imports (
    id bigint generated always as identity primary key,
    collection bigint not null references collections on delete cascade,
    source text not null,                        -- its name for the stock store, in lower case
    dsn text not null,                           -- where it is, with its password; empty once the import has ended
    last bigint not null default 0,              -- the id of the last row that was taken over
    ticket bigint,                               -- its place in the queue: procrastinate_jobs.id
    status text not null default 'waiting' check (status in ('waiting', 'working', 'ready', 'failed', 'cancelled')),
    done integer not null default 0,             -- rows that were taken over, of
    total integer not null default 0,
    attempts integer not null default 0,         -- tells one worker's attempt from another's
    fault text not null default '',
    fault_code text not null default '',
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default now()
);
