"""From the text of a mapping file to a ``Mapping``, with errors that name the line and say what to write instead.

Every scalar of the YAML is taken as the text that stands there (``401.00`` stays ``401.00``, ``NO`` stays ``NO``);
duplicate keys, aliases and foreign tags are refused. Pure: the caller reads the file.
"""

from __future__ import annotations

import hashlib
from difflib import get_close_matches
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from mlc_common.errors import ConfigurationError
from mlc_mapper.mapping.model import Mapping

MAX_TEXT = 2_000_000
"""Characters of a mapping file; a table of ten thousand SKUs is a quarter of that."""

_Path = tuple[str | int, ...]
_NOTHING = ("", "~", "null", "Null", "NULL")


def load(text: str) -> Mapping:
    """Read a mapping file.

    Args:
        text: The YAML.

    Raises:
        ConfigurationError: not YAML, or not a mapping; one line per error, each with its line in the file.
    """
    if len(text) > MAX_TEXT:
        raise ConfigurationError(f"the mapping has {len(text)} characters; at most {MAX_TEXT} are read")
    lines: dict[_Path, int] = {}
    data = _compose(text, lines)
    if not isinstance(data, dict):
        raise ConfigurationError("the mapping must be a list of `field: value`; begin with `flow:`")
    try:
        mapping = Mapping.model_validate(data)
    except ValidationError as error:
        found = _chosen(error.errors(include_url=False))
        raise ConfigurationError("\n".join(_explain(one, lines) for one in found)) from None
    mapping._version = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return mapping


def json_schema() -> dict[str, Any]:
    """The JSON Schema of mapping files, for editors."""
    schema = Mapping.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "ml-connector mapping"}


def _compose(text: str, lines: dict[_Path, int]) -> Any:
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise ConfigurationError("the mapping uses `*aliases`; write the values out")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        return _value(node, (), lines) if node is not None else None
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ConfigurationError(f"{where}not YAML: {error.problem or error}") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"not YAML: {error}") from None
    except RecursionError:
        raise ConfigurationError("the mapping is nested too deeply; no rule needs more than four levels") from None


def _value(node: Node, path: _Path, lines: dict[_Path, int]) -> Any:
    lines[path] = node.start_mark.line + 1
    if not node.tag.startswith("tag:yaml.org,2002:") or "python" in node.tag:
        raise ConfigurationError(f"line {lines[path]}: remove the tag {node.tag}")
    if isinstance(node, ScalarNode):
        return None if node.style is None and node.value in _NOTHING else node.value
    if isinstance(node, SequenceNode):
        return [_value(item, (*path, index), lines) for index, item in enumerate(node.value)]
    assert isinstance(node, MappingNode)
    return _fields(node, path, lines)


def _fields(node: MappingNode, path: _Path, lines: dict[_Path, int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, ScalarNode):
            raise ConfigurationError(f"line {line}: a field's name must be plain text")
        if key.value in found:
            raise ConfigurationError(f"line {line}: {_dotted((*path, key.value))} stands here twice; keep one")
        found[key.value] = _value(value, (*path, key.value), lines)
        lines[(*path, key.value)] = line
    return found


def _chosen(errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """Where a field may be text or a list, only the errors of the form that was written."""
    others = [error for error in errors if not (_is_branch(error["loc"][-1:]) and error["type"] in _WRITE)]
    return others or errors


def _explain(error: ErrorDetails, lines: dict[_Path, int]) -> str:
    path: _Path = tuple(part for part in error["loc"] if not _is_branch((part,)))
    line = next((lines[path[:end]] for end in range(len(path), -1, -1) if path[:end] in lines), 1)
    return f"line {line}: {_dotted(path) or 'mapping'}: {_sentence(error, path)}"


def _is_branch(end: tuple[str | int, ...]) -> bool:
    """Whether a path ends with the name that pydantic gives to one form of a field."""
    return bool(end) and isinstance(end[-1], str) and end[-1].startswith(("function-after[", "tuple["))


_WRITE = {
    "tuple_type": "write a list, like [a, b]",
    "string_type": "write text",
    "model_type": "write `field: value` lines below it",
    "dict_type": "write `name: value` lines below it",
    "bool_parsing": "write true or false",
    "date_from_datetime_parsing": "write a date like 2026-11-01",
    "date_type": "write a date like 2026-11-01",
    "string_too_short": "write a value or remove the field",
}


def _sentence(error: ErrorDetails, path: _Path) -> str:
    kind, given = error["type"], error["input"]
    if kind == "missing":
        return "is missing; add it"
    if kind == "extra_forbidden":
        return _unknown(path)
    if given is None:
        return "is empty; write a value or remove the field"
    message = _WRITE.get(kind) or error["msg"].removeprefix("Value error, ")
    if kind == "value_error" and (not isinstance(given, str) or given in message):
        return message
    shown = repr(given) if isinstance(given, str) else "a list" if isinstance(given, list) else "fields"
    return f"{message} (it says {shown})"


def _unknown(path: _Path) -> str:
    known = _known_fields(path[:-1])
    close = get_close_matches(str(path[-1]), known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(known)}"
    return f"is no field; {hint}"


def _known_fields(path: _Path) -> list[str]:
    """The fields of the model that stands at ``path``."""
    model: type[BaseModel] | None = Mapping
    for part in path:
        if model is None or part not in model.model_fields:
            continue  # an index, or a key of a table: the table's own model is what counts
        model = _model_in(model.model_fields[str(part)].annotation)
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_model_in(argument) for argument in getattr(annotation, "__args__", ()))
    return next((model for model in inner if model is not None), None)


def _dotted(path: _Path) -> str:
    return ".".join(str(part) for part in path)
