-- Keys of providers, sealed with the house's secret `sealing_key`: whoever has the database alone has none of them.

create table provider_keys (
    name   text primary key,                  -- as in maitre.yaml's `api_key: sealed:NAME`
    sealed bytea not null,                    -- nonce and AES-256-GCM of the key, bound to the name
    set_at timestamptz not null
);
create trigger provider_keys_changed after insert or update or delete on provider_keys
    for each statement execute function catalogue_changed();
