"""Replays: decide anew, from the log, about orders that a person names (architecture §6)."""
