"""The mapper: pure decisions from what the store said to what the ERP's books should hold.

``evolve`` folds events, ``decide`` turns them into commands, ``preview`` maps one stored record; all three are values
in, values out, without I/O, clock or randomness, so that replay gives the same bytes (architecture §3, style rule 2).
"""
