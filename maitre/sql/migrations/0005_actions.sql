-- Who did what, from where: keys, sign-ins, commands. Turns are in the ledger, with the address they came from.

create table actions (
    id      bigint generated always as identity primary key,
    at      timestamptz not null,
    who     text not null,              -- an Open WebUI user id, or the operator's own name
    key_id  text not null default '',   -- of the API key that was used
    address text not null default '',
    what    text not null,              -- key.generate, token.exchange, house.close, …
    target  text not null default '',   -- what it was done to
    detail  jsonb not null default '{}'
);
create index actions_by_time on actions (at);
create index actions_by_person on actions (who, at);

alter table ledger add column address text not null default '';
create index ledger_by_address on ledger (at) where address <> '';  -- which are forgotten like a request's words
