"""The auditor: keeps the audit index in step with the log and signs how far it is."""
