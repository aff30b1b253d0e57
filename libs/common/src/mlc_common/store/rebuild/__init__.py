"""A fresh generation of every table, folded from what the log recorded (architecture §2, reliability R13 and R19).

Nothing here decides anything anew or speaks to a store or an ERP. Secrets and connections are no projections: they are
carried over, and come from their backup where the database was lost.
"""
