"""Reads the outside: schedules, cursors, snapshots for the mapper, webhook registration and health. Decides nothing."""
