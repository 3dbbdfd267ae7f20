-- The bytes that a version of a document is made of: of the one that answers, and of the one that is being made.
create table files (
    document uuid not null references documents on delete cascade,
    version integer not null check (version > 0),
    name text not null,                          -- as it was uploaded; its ending tells the kind of a file
    sha256 text not null,                        -- of the bytes
    content_hash text not null,                  -- of bytes, title, url, metadata, and the settings that matter
    bytes bytea not null,
    job text not null default '',                -- the one that makes this version ready
    created_at timestamptz not null default now(),
    primary key (document, version)
);
-- Uploads are mostly compressed already.
alter table files alter column bytes set storage external;
