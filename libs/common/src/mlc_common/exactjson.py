"""JSON whose numbers are exact: decimals in, decimals out, never a float.

Used for everything a vendor says or is told. Our own events are pydantic models and write amounts as strings; vendors
that want JSON numbers (Deltek) get the digits of the Decimal as they are.

``NaN``, ``Infinity`` and nesting beyond the parser's depth are refused; ``1e400`` is a legal JSON number and is read as
the Decimal it says, so that whoever wants an amount refuses it with the field's name.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, NoReturn

import simplejson

from mlc_common.errors import Undecodable


def _refuse_constant(name: str) -> NoReturn:
    raise Undecodable(f"{name} is not JSON; the sender must send a number or null")


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)


def _encoder(*, ensure_ascii: bool) -> simplejson.JSONEncoder:
    return simplejson.JSONEncoder(use_decimal=True, ensure_ascii=ensure_ascii, separators=(",", ":"), allow_nan=False)


_AS_IT_IS = _encoder(ensure_ascii=False)
_ESCAPED = _encoder(ensure_ascii=True)


def loads(data: bytes | str) -> Any:
    """Read JSON text; numbers with a fraction or exponent become Decimal, whole numbers int.

    Raises:
        Undecodable: not UTF-8, not JSON, NaN or Infinity, or nested deeper than the interpreter allows.
    """
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        return _DECODER.decode(text)
    except UnicodeDecodeError as error:
        raise Undecodable(f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise Undecodable(f"not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise Undecodable("nested too deeply") from None
    except ValueError as error:  # whole numbers of more digits than the interpreter converts
        raise Undecodable(f"not JSON we can read: {error}") from None


def dumps(value: Any) -> bytes:
    """Write JSON text in UTF-8, compact, Decimals as numbers with exactly their digits; floats are refused.

    Raises:
        TypeError: a float or another value that JSON cannot carry exactly.
    """
    refuse_floats(value)
    try:
        return str(_AS_IT_IS.encode(value)).encode("utf-8")
    except UnicodeEncodeError:
        # a lone surrogate is legal in JSON as \ud800 only; as bytes it would not be UTF-8 and nobody could read it
        return str(_ESCAPED.encode(value)).encode("ascii")


def refuse_floats(value: Any) -> None:
    """Raise TypeError where a float hides anywhere inside ``value``."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):  # most of what there is
            continue
        if isinstance(value, float):
            raise TypeError("a float has no exact amount; use Decimal")
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value
