"""Puts a mutant's code into a module that is already imported, wherever that module's functions are held by now.

The mutated text runs in a namespace of its own, and only the code of its functions (with simple defaults) and its
strings are taken over. Function objects stay the same ones, so decorated, bound and imported ones change with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any

_SIMPLE = (str, bytes, int, float, bool, type(None))


def transplant(module: ModuleType, source: str) -> int:
    """Make an imported module behave as this source says.

    Returns:
        How many functions and constants changed; 0 when the interpreter sees no difference.

    Raises:
        Exception: whatever the mutated text raises when it is run.
    """
    assert module.__file__ is not None
    fresh = ModuleType(module.__name__)
    fresh.__file__, fresh.__package__ = module.__file__, module.__package__
    exec(compile(source, module.__file__, "exec", dont_inherit=True), vars(fresh))
    return _constants(vars(module), vars(fresh)) + _functions(module, fresh)


def _constants(live: dict[str, Any], fresh: Mapping[str, Any]) -> int:
    changed = {
        name: value
        for name, value in fresh.items()
        if isinstance(value, str) and not name.startswith("__") and live.get(name) != value
    }
    live.update(changed)
    return len(changed)


def _functions(module: ModuleType, fresh: ModuleType) -> int:
    assert module.__file__ is not None
    new = dict(_found(vars(fresh), module.__name__, module.__file__))
    return sum(
        _replace(function, new[name]) for name, function in _found(vars(module), module.__name__, module.__file__)
    )


def _found(namespace: Mapping[str, Any], module: str, file: str) -> Iterator[tuple[str, FunctionType]]:
    """The functions that a module itself defines, by qualified name."""
    for value in namespace.values():
        if isinstance(value, type):
            if value.__module__ == module and "." not in value.__qualname__:
                yield from _found(vars(value), module, file)
            continue
        for part, function in _parts(value):
            if function.__code__.co_filename == file:  # not what dataclasses and the like have written
                yield f"{function.__qualname__}{part}", function


def _parts(value: Any) -> Iterator[tuple[str, FunctionType]]:
    """The function within what a decorator made of it."""
    if isinstance(value, property):
        for part in ("fget", "fset"):
            yield from ((f".{part}", found) for _, found in _parts(getattr(value, part)))
    elif isinstance(value, staticmethod | classmethod):
        yield from _parts(value.__func__)
    elif hasattr(value, "__wrapped__"):
        yield from _parts(value.__wrapped__)
    elif isinstance(value, FunctionType):
        yield "", value


def _meaning(code: CodeType) -> tuple[object, ...]:
    """What a piece of code does, without where it stands."""
    constants = [
        _meaning(each) if isinstance(each, CodeType) else (type(each).__name__, repr(each)) for each in code.co_consts
    ]
    return (code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars,
            code.co_flags, code.co_exceptiontable, code.co_argcount, code.co_kwonlyargcount)  # fmt: skip


def _replace(live: FunctionType, new: FunctionType) -> int:
    changed = _meaning(live.__code__) != _meaning(new.__code__)
    if changed:
        live.__code__ = new.__code__
    for name in ("__defaults__", "__kwdefaults__"):
        had, has = getattr(live, name), getattr(new, name)
        values = list((has or {}).values() if isinstance(has, dict) else has or ())
        if had != has and all(isinstance(value, _SIMPLE) for value in values):
            setattr(live, name, has)
            changed = True
    return int(changed)
