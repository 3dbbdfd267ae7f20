-- Sessions: what assistants with a memory were told and answered. The key begins with the account, so that equal ids
-- of two accounts are two sessions, and no question that names one account can meet another's.

create table sessions (
    user_id    text not null references accounts (user_id) on delete cascade,
    id         text not null,                 -- made by the server, or the client's own
    assistant  text not null,
    browser    boolean not null,              -- whether it is a chat of the browser
    created_at timestamptz not null,
    used_at    timestamptz not null,
    delete_at  timestamptz not null,          -- that of its newest turn
    primary key (user_id, id)
);
create index sessions_by_age on sessions (user_id, created_at, id);
create index sessions_expiry on sessions (delete_at);

create table session_turns (
    user_id    text not null,
    session_id text not null,
    number     bigint not null,               -- its place in the session
    turn_id    text not null,
    at         timestamptz not null,
    delete_at  timestamptz not null,
    messages   jsonb not null,
    primary key (user_id, session_id, number),
    unique (user_id, session_id, turn_id),
    foreign key (user_id, session_id) references sessions (user_id, id) on delete cascade
);
create index session_turns_expiry on session_turns (delete_at);
