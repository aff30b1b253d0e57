"""The errors of the local stack.

One class is enough: nobody handles these in code, a person reads them. Each message says what to do next.
This package imports no other member of the workspace, so that `make` can use it before anything else works.
"""

from __future__ import annotations


class StackError(RuntimeError):
    """Kafka or PostgreSQL could not be started, stopped or used here; the message says what to do."""
