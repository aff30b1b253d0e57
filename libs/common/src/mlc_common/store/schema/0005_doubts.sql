-- What else may have been sent for a document before a rebuild, to be looked for in the ERP: its commands, as JSON.
-- depends: 0004_replays

-- migrate: apply

alter table posting_documents add column doubted text not null default '[]';

-- migrate: rollback

alter table posting_documents drop column doubted;
