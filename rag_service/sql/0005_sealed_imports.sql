-- The address of a table that is taken over is sealed (AES-256-GCM): it holds a password. One that stood here in plain
-- text is forgotten, with its import: written over first, because a dropped column stays in the rows that are there.
update imports set status = 'failed', fault_code = 'changed_key', changed_at = now(),
    fault = 'The service was brought up to date before it had ended: ask for the import again.'
    where status in ('waiting', 'working');
update imports set dsn = '';
alter table imports
    drop column dsn,
    add column sealed_dsn bytea;                 -- null once the import has ended
