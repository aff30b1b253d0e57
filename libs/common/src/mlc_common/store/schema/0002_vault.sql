-- Connections of the tenant, and their secrets sealed under keys that are not in this database.
-- depends: 0001_log_and_posting

-- migrate: apply

-- Which stores and ERPs. Settings hold no secrets.
create table connections (
    id text primary key,
    kind text not null check (kind in ('woocommerce', 'bigcommerce', 'amazon', 'deltek', 'acumatica', 'gp')),
    settings jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

-- Each secret under a data key of its own (AES-256-GCM), which the key-encryption key `key_id` wraps. Rows of one name
-- are all active: two while a secret is being replaced, one otherwise. Rotation of keys changes key_id, wrapped_key,
-- wrap_nonce and rotated_at alone.
create table vault_secrets (
    connection text not null,
    name text not null,
    version int not null check (version > 0),
    key_id text not null,
    wrapped_key bytea not null,
    wrap_nonce bytea not null,
    nonce bytea not null,
    ciphertext bytea not null,
    created_at timestamptz not null default now(),
    rotated_at timestamptz not null default now(),
    primary key (connection, name, version)
);
create index vault_secrets_by_key on vault_secrets (key_id);

-- migrate: rollback

drop table vault_secrets, connections;
