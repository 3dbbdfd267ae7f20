-- The newest bytes of each document: what its newest job makes it of.
create table files (
    document uuid primary key references documents on delete cascade,
    version integer not null default 1,          -- counts the uploads
    name text not null,                          -- as it was uploaded; its ending tells the kind of a file
    sha256 text not null,                        -- of the bytes
    content_hash text not null,                  -- of bytes, title, url, metadata, and the settings that matter
    bytes bytea not null,
    job text not null default '',                -- the newest one that was put in for the document
    created_at timestamptz not null default now()
);
-- Uploads are mostly compressed already.
alter table files alter column bytes set storage external;
