"""`make mutants`: do the tests notice when the code is wrong? (reliability R22; docs/mutation.md, docs/adr/0006).

mutmut's mutations, one at a time, in a process of their own over a copy of the tree. The checkout is never written to.
"""
