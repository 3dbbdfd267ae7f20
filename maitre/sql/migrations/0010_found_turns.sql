-- What a memory by relevance needs to know of its turns, and the running summaries of sessions.

alter table sessions
    add column summary text not null default '',
    add column summarized bigint not null default 0,     -- the place of the newest turn that is summed up
    add column summary_delete_at timestamptz,            -- when the oldest words that are summed up are to be forgotten
    add column summarizing_until timestamptz;            -- somebody is at it, or may not be yet
create index sessions_summary_expiry on sessions (summary_delete_at) where summary_delete_at is not null;

alter table session_turns
    add column indexed boolean not null default false,   -- whether the index of turns may hold its words
    add column index_at timestamptz;                     -- when the index is next to be told of it; null: it need not be
create index session_turns_untold on session_turns (index_at) where index_at is not null;

-- Turns that are gone here, and that the index may still hold. However a turn goes (a session that is deleted, `keep`,
-- its retention, its account), its row comes here in the same transaction.
create table gone_turns (
    number  bigint generated always as identity primary key,
    user_id text not null,
    turn_id text not null,
    at      timestamptz not null default now(),
    next_at timestamptz not null default now()           -- when the index is next to be told
);
create index gone_turns_next on gone_turns (next_at);

create function turn_gone() returns trigger language plpgsql as $$
begin
    insert into gone_turns (user_id, turn_id) values (old.user_id, old.turn_id);
    return null;
end $$;
create trigger session_turns_gone after delete on session_turns
    for each row when (old.indexed) execute function turn_gone();
