-- What makes consuming and posting exactly once: positions, outbox, order states, mappings, queue, ledger, leases.
-- depends:

-- migrate: apply

-- Where each consumer goes on reading; moved only together with the effects of what was read (compare-and-set).
create table consumer_positions (
    consumer text not null,
    topic text not null,
    part int not null,
    next_offset bigint not null,
    primary key (consumer, topic, part)
);

-- Events written together with the record they speak of, waiting to be appended to the log. A row is deleted once the
-- broker acknowledged it; a second copy after a crash is recognised by its id.
create table outbox (
    id bigint generated always as identity primary key,
    producer text not null,
    lane int not null,
    topic text not null,
    headers text not null,
    value bytea not null,
    key bytea not null
);
create index outbox_in_order on outbox (producer, lane, id);

-- The mapper's state of one order in one flow (a projection of raw events and issued commands).
create table order_states (
    flow text not null,
    order_key text not null,
    evolve_version int not null,
    state text not null,
    defect text not null default '',
    primary key (flow, order_key)
);

-- Mapping versions, a projection of the control topic.
create table mappings (
    flow text not null,
    version text not null,
    store text not null,
    erp text not null,
    body text not null,
    needs text[] not null default '{}',
    since date,
    applied_by text not null,
    applied_at timestamptz not null,
    current boolean not null,
    primary key (flow, version)
);
create unique index mappings_one_current on mappings (flow) where current;

-- How far each poll has read (a projection of PollCompleted), and snapshots the mapper asked for.
create table poll_cursors (
    connection text not null,
    what text not null,
    read_until timestamptz not null,
    primary key (connection, what)
);
create table fetch_queue (
    fetch_id uuid primary key,
    connection text not null,
    order_id text not null,
    not_before timestamptz not null default now(),
    attempts int not null default 0
);

-- Commands as they arrived. Nothing behind a gap in seq is leased.
create table posting_queue (
    command_id uuid primary key,
    flow text not null,
    order_key text not null,
    document_key uuid not null,
    seq int not null,
    kind text not null,
    command text not null,
    trace text not null default '',
    unique (flow, order_key, seq)
);
create index posting_queue_newest on posting_queue (document_key, seq desc);

-- One row per order: its lease with a fencing number, and when it may next be worked on.
create table posting_orders (
    flow text not null,
    order_key text not null,
    erp text not null,
    contiguous_seq int not null default 0,
    runnable boolean not null default true,
    not_before timestamptz not null default '-infinity',
    lease_owner text,
    lease_until timestamptz not null default '-infinity',
    fencing bigint not null default 0,
    primary key (flow, order_key)
);
create index posting_orders_runnable on posting_orders (erp, not_before) where runnable;

create sequence fencing_numbers;

-- The ledger: what the engine knows of each document. `version` grows with every change and is in every outcome.
create table posting_documents (
    document_key uuid primary key,
    flow text not null,
    order_key text not null,
    kind text not null,
    place int not null,
    newest_seq int not null,
    settled_seq int not null default 0,
    version int not null default 0,
    state text not null default 'intended',
    command_id uuid not null,
    pursued text,
    pursued_seq int not null default 0,
    plan text,
    sent boolean not null default false,
    intent_at timestamptz,
    absent_looks int not null default 0,
    looked_at timestamptz,
    attempts int not null default 0,
    posted text,
    erp_ids text not null default '{}',
    reason text not null default '',
    detail text not null default '',
    fix text not null default '',
    adjusts uuid,
    updated_at timestamptz not null default now()
);
create index posting_documents_of_order on posting_documents (flow, order_key, place);
create index posting_documents_held on posting_documents (reason) where state = 'held';

-- Parties (firms) the engine found or made, one row and lease each.
create table posting_parties (
    party_key uuid primary key,
    flow text not null,
    version int not null default 0,
    state text not null default 'intended',
    external_key text not null,
    erp_id text not null default '',
    intent_at timestamptz,
    absent_looks int not null default 0,
    looked_at timestamptz,
    updated_at timestamptz not null default now()
);

-- Expiring leases by name: one poller per connection, one writer per ERP company, one maker per party.
create table leases (
    name text primary key,
    owner text not null,
    lease_until timestamptz not null,
    fencing bigint not null,
    note text not null default ''
);

-- migrate: rollback

drop table fetch_queue, poll_cursors, leases, posting_parties, posting_documents, posting_orders, posting_queue, mappings, order_states, outbox,
    consumer_positions;
drop sequence fencing_numbers;
