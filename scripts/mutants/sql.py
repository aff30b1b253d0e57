"""Mutations of SQL, which mutmut knows nothing of: one word of a statement turned round, one at a time.

The deduplication rests on statements (what conflicts, what is locked, in which order), so they are mutated like code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

_STATEMENT = re.compile(r"\b(select|insert into|update|delete from)\b")
_TURNED = {
    r"\bleast\(": "greatest(",
    r"\bgreatest\(": "least(",
    r"\bmin\(": "max(",
    r"\bmax\(": "min(",
    r"\bnot exists\b": "exists",
    r"(?<!not )\bexists\b": "not exists",
    r"\btrue\b": "false",
    r"\bfalse\b": "true",
    r"\band\b": "or",
    r"\bor\b": "and",
    r"\bdesc\b": "asc",
    r"\border by (\w+(?:\.\w+)?)(?! desc)(?=\s|$|\))": r"order by \1 desc",
    r"(?<=[\w)\]] )=(?= [\w$(])": "<>",
    r"(?<=[\w)\]] )<(?= [\w$(])": "<=",
    r"(?<=[\w)\]] )<(?= [\w$(]) ": "> ",
    r"(?<=[\w)\]] )>(?= [\w$(])": ">=",
    r"\bon conflict do nothing\b": "",
    r"\bdistinct \*": "*",
    r"\bfor update\b": "",
}


def operator_sql(node: cst.BaseString) -> Iterator[cst.SimpleString]:
    """Each version of a statement in which one word is turned round; nothing for other strings."""
    if not isinstance(node, cst.SimpleString) or not _STATEMENT.search(node.value):
        return
    for pattern, instead in _TURNED.items():
        for found in re.finditer(pattern, node.value):
            turned = node.value[: found.start()] + found.expand(instead) + node.value[found.end() :]
            yield node.with_changes(value=turned)
