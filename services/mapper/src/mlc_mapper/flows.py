"""The flows in force: their mappings as the control topic told them, parsed once per version."""

from __future__ import annotations

import collections.abc
from collections.abc import Collection
from dataclasses import dataclass

import structlog

from mlc_common.errors import ConfigurationError
from mlc_common.store import mappings
from mlc_common.store.pool import Connection, Pool
from mlc_mapper.mapping import Mapping, load

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Flow:
    """One flow: from a store's connection to an ERP's, by a mapping."""

    store: str
    erp: str
    mapping: Mapping


def by_store(flows: collections.abc.Mapping[str, Flow]) -> dict[str, Collection[str]]:
    """Names of the flows of each store's connection."""
    found: dict[str, Collection[str]] = {}
    for name, flow in flows.items():
        found[flow.store] = [*found.get(flow.store, ()), name]
    return found


class Flows:
    """Knows the current mappings; parses a version the first time it is seen."""

    def __init__(self) -> None:
        self._parsed: dict[tuple[str, str], Mapping] = {}

    async def of_stores(self, connection: Connection | Pool) -> dict[str, list[Flow]]:
        """Every flow by its store's connection id.

        Raises:
            ConfigurationError: a mapping in force cannot be read by this version of ours (a bad deploy: stop).
        """
        found: dict[str, list[Flow]] = {}
        for flow in (await self.by_name(connection)).values():
            found.setdefault(flow.store, []).append(flow)
        return found

    async def by_name(self, connection: Connection | Pool) -> dict[str, Flow]:
        """Every flow by its name.

        Raises:
            ConfigurationError: see ``of_stores``.
        """
        found: dict[str, Flow] = {}
        for applied in await mappings.current(connection):
            key = (applied.flow, applied.version)
            if key not in self._parsed:
                self._parsed[key] = self._parse(applied)
            found[applied.flow] = Flow(applied.store, applied.erp, self._parsed[key])
        return found

    def _parse(self, applied: mappings.AppliedMapping) -> Mapping:
        try:
            return load(applied.body)
        except ConfigurationError as error:
            raise ConfigurationError(f"flow {applied.flow}, mapping {applied.version}: {error}") from None
