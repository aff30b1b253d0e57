-- The audit index: one row per record of the log, hash-chained per topic and partition; only ever added to.
-- depends: 0002_vault

-- migrate: apply

-- A projection of the log that nobody may correct: a row rests on its record and the row before (mlc_common.audit).
create table audit_index (
    topic text not null,
    part int not null,
    record_offset bigint not null,
    event_id text not null,
    event_type text not null,
    subject text not null,
    at timestamptz not null,
    stage text not null,
    facts text not null,
    record_digest bytea not null,
    previous bytea not null,
    chain bytea not null,
    format smallint not null,
    primary key (topic, part, record_offset)
);
create index audit_index_of_subject on audit_index (subject, at);
create index audit_index_in_time on audit_index (at, topic, part, record_offset);
create index audit_index_of_event on audit_index (event_id);

create function audit_index_only_grows() returns trigger language plpgsql as '
begin
    raise exception ''the audit index only grows: % is refused'', tg_op using errcode = ''insufficient_privilege'';
end';

create trigger audit_index_only_grows before update or delete or truncate on audit_index
    for each statement execute function audit_index_only_grows();

revoke update, delete, truncate on audit_index from public, current_user;

-- migrate: rollback

drop table audit_index;
drop function audit_index_only_grows;
