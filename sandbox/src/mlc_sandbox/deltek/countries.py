"""The master list of countries: a tenant takes codes, names or both, and never `USA` (facts sheet §6)."""

from __future__ import annotations

from functools import cache
from typing import Literal

from babel import Locale


@cache
def master_list() -> dict[str, str]:
    """Two-letter code to English name."""
    names = Locale("en").territories
    return {str(code): str(name) for code, name in names.items() if len(code) == 2 and code.isalpha()}


@cache
def _names() -> frozenset[str]:
    return frozenset(name.casefold() for name in master_list().values())


def is_accepted(country: str, form: Literal["both", "code", "name"]) -> bool:
    """Whether a tenant that lists countries in this form takes the text; blank is always taken."""
    if not country.strip():
        return True
    as_code = form in {"both", "code"} and country.upper() in master_list()
    as_name = form in {"both", "name"} and country.casefold() in _names()
    return as_code or as_name
