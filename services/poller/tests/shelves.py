"""A store for the poller's tests: its orders in memory, read by the real walk, on a clock that tests move."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from mlc_common.clock import FixedClock
from mlc_common.errors import Retryable
from mlc_common.events import Envelope, OrderSnapshot, decode
from mlc_common.http import CircuitBreaker
from mlc_common.log import Appended
from mlc_vendors.woocommerce.paging import Page
from mlc_vendors.woocommerce.walk import OrderWalk, stamp_of

STORE = "shop"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)

Json = dict[str, Any]


def order_of(order_id: int, *, modified: datetime = NOON - DAY, **fields: Any) -> Json:
    """An order as the store lists it."""
    return {"id": order_id, "date_modified_gmt": modified.strftime("%Y-%m-%dT%H:%M:%S"), "refunds": [], **fields}


class Shelf:
    """Stands for the client of one store.

    Attributes:
        orders: What it lists.
        pages_at: When each page of the list was asked for; ``asked`` is how.
        meanwhile: Called with the path of whatever is read, before the answer is made.
        breaker: As the client's.
        clock_skew_s: Seconds that its clock is ahead of ours.
    """

    def __init__(self, clock: FixedClock, *orders: Json, page_size: int = 50) -> None:
        self.clock = clock
        self.orders = list(orders)
        self.pages_at: list[datetime] = []
        self.asked: list[dict[str, str]] = []
        self.meanwhile: Callable[[str], Awaitable[None]] = _nothing
        self.breaker = CircuitBreaker(STORE, failures=5, open_s=30, clock=clock)
        self.clock_skew_s: float | None = None
        self._page_size = page_size

    def walk_orders(self, since: datetime, *, trash: bool, resume: datetime | None = None) -> OrderWalk:
        """As the client does."""
        return OrderWalk(self._read, since, size=self._page_size, trash=trash, resume=resume)

    async def get_order(self, order_id: int) -> Json | None:
        """As the client does."""
        found = next((order for order in self.orders if order.get("id") == order_id), None)
        await self.meanwhile(f"orders/{order_id}")
        return found

    async def refunds_of(self, order_id: int) -> list[Json]:
        """As the client does."""
        await self.meanwhile(f"orders/{order_id}/refunds")
        return [{"id": 900 + order_id}]

    async def get_customer(self, customer_id: int) -> Json | None:
        """As the client does."""
        await self.meanwhile(f"customers/{customer_id}")
        return {"id": customer_id}

    async def get_products(self, product_ids: Sequence[int]) -> list[Json]:
        """As the client does."""
        await self.meanwhile(f"products/{','.join(map(str, product_ids))}")
        return [{"id": product_id} for product_id in product_ids]

    async def _read(self, params: Sequence[tuple[str, str]]) -> Page:
        self.pages_at.append(self.clock.now())
        await self.meanwhile("orders")
        asked = dict(params)
        self.asked.append(asked)
        if asked["status"] == "trash":
            return Page([], 0, NOON + DAY)
        after, before = (_instant(asked.get(f"modified_{side}", "9999-01-01T00:00:00")) for side in ("after", "before"))
        rows = [row for row in self.orders if after < _stored(row) < before]
        rows.sort(key=_stored if asked["orderby"] == "modified" else _id_of)
        start = (int(asked.get("page", 1)) - 1) * self._page_size
        return Page(rows[start : start + self._page_size], len(rows), NOON + DAY)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _stored(row: Json) -> datetime:
    """When it was modified as the database knows it, whatever is shown of it."""
    return stamp_of(row) or NOON - DAY


def _id_of(row: Json) -> str:
    return str(row.get("id"))


class Log:
    """Stands for the log: keeps what was appended."""

    def __init__(self) -> None:
        self.appended: list[OrderSnapshot] = []
        self.ids: list[str] = []
        self.down = False

    async def publish(self, topic: str, envelope: Envelope) -> Appended:
        """As the producer does."""
        if self.down:
            raise Retryable("the log did not acknowledge")
        self.appended.append(decode(envelope, OrderSnapshot))
        self.ids.append(envelope.id)
        return Appended(topic, 0, len(self.appended) - 1)

    @property
    def orders(self) -> list[str]:
        """Ids of the orders that were appended, in order."""
        return [snapshot.order_id for snapshot in self.appended]


async def _nothing(_: str) -> None:
    """Happen."""
