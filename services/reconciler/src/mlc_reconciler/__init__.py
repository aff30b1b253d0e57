"""Compares the store's own list of sales with the ERP's own books, one by one: ``verdicts.py``, ``comparing.py``."""
