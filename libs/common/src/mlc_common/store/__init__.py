"""PostgreSQL: pool, migrations, consumer positions, outbox, leases. With modules named ``store.py``, the only SQL."""
