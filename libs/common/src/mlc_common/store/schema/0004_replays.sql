-- What a release and a replay need: each order's newest raw event, the replays asked for, and where one folds anew.
-- depends: 0002_vault

-- migrate: apply

-- The newest raw event that a state has seen: commands that follow from no new event name it (`ce_replayof`), and its
-- offset tells a replay whether the order has seen more than was folded. Unknown in states of before: -1.
alter table order_states add column newest_event text not null default '';
alter table order_states add column newest_offset bigint not null default -1;

-- Replays in the order in which they were asked for, worked off one after the other by one mapper at a time. `request`
-- is the event as JSON. `ends` tells per partition of the raw topic up to where orders were folded anew. A row stays,
-- as the answer to who asked for what and what came of it.
create table replays (
    request_id uuid primary key,
    position bigint generated always as identity,
    request text not null,
    released uuid[] not null default '{}',
    stage text not null default 'asked' check (stage in ('asked', 'selected', 'folded', 'done')),
    ends text not null default '{}',
    fencing bigint not null default 0,
    orders int not null default 0,
    commands int not null default 0,
    finished_at timestamptz
);
create index replays_unfinished on replays (position) where stage <> 'done';

-- The orders that the replay in work takes, and which of them are decided.
create table replay_orders (
    flow text not null,
    order_key text not null,
    decided boolean not null default false,
    primary key (flow, order_key)
);
create index replay_orders_open on replay_orders (flow, order_key) where not decided;

-- The states that the replay in work has folded anew.
create table replay_states (like order_states including all);

-- What came of each request of a person (release, resolution, replay), per order: the commands, or why there are none.
-- Written with them; whoever asked reads it here.
create table answered_requests (
    request_id uuid not null,
    flow text not null,
    order_key text not null,
    commands uuid[] not null default '{}',
    note text not null default '',
    primary key (request_id, flow, order_key)
);

-- migrate: rollback

drop table answered_requests, replay_states, replay_orders, replays;
alter table order_states drop column newest_offset, drop column newest_event;
