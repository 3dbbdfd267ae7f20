-- One job makes one version of a document ready. The queue's own tables (procrastinate) hold only who works on what
-- just now; what somebody may ask of a job is here, and is written in the transactions that it tells of.
create table jobs (
    id bigint generated always as identity primary key,
    document uuid not null references documents on delete cascade,
    version integer not null,                    -- which the document will have
    ticket bigint,                               -- its newest place in the queue: procrastinate_jobs.id
    status text not null default 'waiting' check (status in ('waiting', 'working', 'ready', 'failed', 'cancelled')),
    stage text not null default '' check (stage in ('', 'parse', 'embed', 'publish')),
    done integer not null default 0,             -- chunks that are embedded and staged, of
    total integer not null default 0,
    attempts integer not null default 0,         -- how often it was begun; tells one worker's attempt from another's
    patience integer not null default 12,        -- the number of the attempt that is its last
    fault text not null default '',              -- one sentence, of the newest attempt
    fault_code text not null default '',
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default now(),
    unique (document, version)
);
create index on jobs (document) where status in ('waiting', 'working');
