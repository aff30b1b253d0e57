"""Posting exactly once: one engine for every ERP (architecture §5).

``intake`` takes commands into the queue, ``worker`` leases orders, ``engine`` moves one document from wish to verified,
``rules`` holds its decisions as pure functions, ``ledger`` is what it knows, ``gateway`` is what an ERP must offer.
"""
