-- A call that another model is asked for, instead of one that failed: never a further request.

alter table ledger drop constraint ledger_kind_check;
alter table ledger add constraint ledger_kind_check
    check (kind in ('turn', 'tool', 'task', 'repair', 'fallback', 'embedding', 'summary')) not valid;
