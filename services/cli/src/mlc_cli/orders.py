"""Orders as a person names them: the store's id, or the whole key; and how they are told again."""

from __future__ import annotations

from collections.abc import Sequence

from mlc_common.errors import ConfigurationError
from mlc_common.events import order_subject
from mlc_common.store import mappings
from mlc_common.store.mappings import AppliedMapping
from mlc_common.store.pool import Pool


async def flows(pool: Pool, flow: str = "") -> list[AppliedMapping]:
    """The flows in force, or the one of this name.

    Raises:
        ConfigurationError: there is none.
    """
    known = await mappings.current(pool)
    found = [each for each in known if flow in ("", each.flow)]
    if not known:
        raise ConfigurationError("no mapping is in force yet; apply one with `mlc mapping apply`")
    if not found:
        raise ConfigurationError(f"there is no flow {flow!r}; known are {', '.join(each.flow for each in known)}")
    return found


def keys(order: str, of: Sequence[AppliedMapping]) -> dict[str, str]:
    """The key of an order in each flow that can know it: flow to key.

    Raises:
        ConfigurationError: it is no id of an order, or of a store that no flow reads.
    """
    store, separator, rest = order.partition(":")
    if not separator:
        if not order.isdigit():
            raise ConfigurationError(f"{order!r} is no order; give the store's id of it, or connection:order:id")
        return {each.flow: order_subject(each.store, order) for each in of}
    found = {each.flow: order for each in of if each.store == store}
    if not found or not rest.startswith("order:"):
        raise ConfigurationError(f"{order!r} is no order of a flow; write connection:order:id, like shop:order:1001")
    return found
