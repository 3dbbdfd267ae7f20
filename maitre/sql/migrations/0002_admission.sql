-- Limits of six scopes, holds that beat, prepaid balances, and a house that can close its doors.

alter table ledger
    add column key_id    text   not null default '',                          -- of the API key that asked, if one did
    add column held_cost bigint not null default 0 check (held_cost >= 0),    -- at most, in 10^-9 of the currency
    add column relayed   bigint check (relayed >= 0);                         -- tokens so far; null: not streamed

-- What no model writes no provider may charge. (Rows from before are not asked.)
alter table ledger add check (prompt_tokens < 1000000000000 and completion_tokens < 1000000000000) not valid;

-- Every live call beats once a second. As long as no indexed column changes and the page has room, Postgres writes
-- a beat beside the row and leaves all indexes alone; so expires_at is in none of them.
alter table ledger set (fillfactor = 90);
drop index ledger_open;
create index ledger_open on ledger (user_id) where status = 'open';

-- Whoever loads a subject's windows sums all its rows; with the summed columns beside the key it reads no row for it.
drop index ledger_by_account;
create index ledger_by_account on ledger (user_id, at) include (counted, prompt_tokens, completion_tokens, cost, kind);
create index ledger_by_key on ledger (key_id, at) include (counted, prompt_tokens, completion_tokens, cost, kind)
    where key_id <> '';
create index ledger_by_assistant on ledger (assistant, at)
    include (counted, prompt_tokens, completion_tokens, cost, kind) where assistant <> '';
create index ledger_by_model on ledger (model, at) include (counted, prompt_tokens, completion_tokens, cost, kind);
create index ledger_by_provider on ledger (provider, at)
    include (counted, prompt_tokens, completion_tokens, cost, kind);
create index ledger_by_time on ledger (at) include (counted, prompt_tokens, completion_tokens, cost, kind);

-- What was paid in, by the payment's own id. A correction is negative.
create table deposits (
    id       text primary key,
    user_id  text not null,
    amount   bigint not null,                -- in 10^-9 of the currency
    currency text not null,
    at       timestamptz not null,
    note     text not null default ''
);
create index deposits_by_account on deposits (user_id);

-- Null: the house admits; else the sentence that guests read. Engines notice it as they notice any change.
alter table catalogue add column closed text;
create function catalogue_closed() returns trigger language plpgsql as $$
begin
    new.version := old.version + 1;
    return new;
end $$;
create trigger closed_is_a_change before update of closed on catalogue
    for each row when (old.closed is distinct from new.closed) execute function catalogue_closed();

-- A plan's limits by the names of its windows; a window that is not named is unlimited.
update plans set spec =
    spec - '{requests_per_minute,requests_per_month,tokens_per_day,tokens_per_month,tokens_total}'::text[]
    || jsonb_build_object('limits', (
        select coalesce(jsonb_object_agg(key, value), '{}')
        from jsonb_each(spec)
        where key in ('requests_per_minute', 'requests_per_month', 'tokens_per_day', 'tokens_per_month', 'tokens_total')
          and value <> 'null'
    ))
where not spec ? 'limits';
