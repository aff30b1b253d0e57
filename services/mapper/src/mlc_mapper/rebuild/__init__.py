"""The mapper's side of a rebuild: its tables folded from the log, deciding nothing (architecture §2).

What the log does not tell, because it was lost on its way there, is not guessed: the order is asked for afresh, and
decided about by the mapper once it runs, as after any other snapshot that was asked for.
"""
