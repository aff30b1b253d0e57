"""Whether an event's JSON Schema still fits what was published, in both directions. Pure.

Old readers meet new events during every upgrade, and new readers meet old events at every replay (architecture §2).
So fields are added with a default and nothing else changes: not removed, renamed, required, narrowed or widened. What
may grow is the list of values of an enumeration and the list of kinds of a document or wish: a reader that does not
know one sets the event aside with its reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

_BOUNDS = (
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern",
    "minItems", "maxItems", "uniqueItems",
)  # fmt: skip


def incompatibilities(old: Schema, new: Schema) -> list[str]:
    """What breaks when ``new`` takes the place of ``old``, one sentence each; empty when nothing does."""
    return list(_Comparison(old.get("$defs", {}), new.get("$defs", {})).compare("event", old, new, ()))


@dataclass(frozen=True)
class _Comparison:
    old_defs: Schema
    new_defs: Schema

    def compare(self, at: str, old: Schema, new: Schema, seen: tuple[str, ...]) -> Iterator[str]:
        reference = f"{old.get('$ref')} {new.get('$ref')}"
        if reference in seen:  # a model that holds itself
            return
        seen = (*seen, reference) if "$ref" in old else seen
        were, are = _by_label(old, self.old_defs), _by_label(new, self.new_defs)
        for label in were.keys() - are.keys():
            yield f"{at}: no longer {label}"
        for label in are.keys() - were.keys():
            if not label.startswith("object of"):
                yield f"{at}: may now be {label}, which old readers refuse"
        for label in sorted(were.keys() & are.keys()):
            yield from self._same_kind(at, were[label], are[label], seen)

    def _same_kind(self, at: str, old: Schema, new: Schema, seen: tuple[str, ...]) -> Iterator[str]:
        yield from _values(at, old, new)
        yield from (
            f"{at}: {bound} is {new.get(bound, 'gone')}, was {old.get(bound, 'none')}"
            for bound in _BOUNDS
            if old.get(bound) != new.get(bound)
        )
        yield from self._fields(at, old, new, seen)
        for inner, name in (("items", "[]"), ("additionalProperties", "{}")):
            was, now = old.get(inner), new.get(inner)
            if isinstance(was, Mapping) and isinstance(now, Mapping):
                yield from self.compare(at + name, was, now, seen)
            elif was != now:
                yield f"{at}{name}: is {now}, was {was}"

    def _fields(self, at: str, old: Schema, new: Schema, seen: tuple[str, ...]) -> Iterator[str]:
        were, are = old.get("properties", {}), new.get("properties", {})
        needed, needs = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted(were.keys() - are.keys()):
            yield f"{at}.{name}: removed or renamed"
        for name in sorted(needs - needed):
            yield f"{at}.{name}: required now; give it a default" if name in were else f"{at}.{name}: new and required"
        for name in sorted((needed - needs) & are.keys()):
            yield f"{at}.{name}: no longer required, which old readers rest on"
        for name in sorted(were.keys() & are.keys()):
            if name not in needed and name not in needs and were[name].get("default") != are[name].get("default"):
                yield f"{at}.{name}: another default, so that old events mean something else"
            yield from self.compare(f"{at}.{name}", were[name], are[name], seen)


def _values(at: str, old: Schema, new: Schema) -> Iterator[str]:
    was = old.get("enum") or ([old["const"]] if "const" in old else [])
    now = new.get("enum") or ([new["const"]] if "const" in new else [])
    if bool(was) != bool(now):
        yield f"{at}: {'any value is' if was else 'not every value is'} allowed now"
    elif gone := [value for value in was if value not in now]:
        yield f"{at}: {', '.join(map(str, gone))} no longer allowed"


def _by_label(schema: Schema, defs: Schema) -> dict[str, Schema]:
    """The kinds of value a schema allows, each under what tells it from the others."""
    if "$ref" in schema:
        return _by_label(defs[schema["$ref"].rpartition("/")[2]], defs)
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return {label: each for inner in schema[union] for label, each in _by_label(inner, defs).items()}
    return {_label(schema): schema}


def _label(schema: Schema) -> str:
    kind = str(schema.get("type", "anything"))
    told_by = sorted(
        f"{name}={each['const']}" for name, each in schema.get("properties", {}).items() if "const" in each
    )
    if told_by:
        return f"object of {', '.join(told_by)}"
    return f"{kind} ({schema['format']})" if "format" in schema else kind
