"""Lists may hold rows that a plugin broke; they keep nobody from reading the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from mlc_vendors.woocommerce.client import WooCommerceClient
from mlc_vendors.woocommerce.rest import RestAnswer

OURS = {"id": 7, "name": "ours", "status": "active", "topic": "order.updated", "delivery_url": "https://hooks.example"}


class Answers(WooCommerceClient):
    """A client whose store answers every list with these rows."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self._rows = rows
        self._rest = cast(Any, self)
        self._page_size = 50

    async def get(self, _path: str, _params: Sequence[tuple[str, str]], *, template: str) -> RestAnswer:
        assert template
        return RestAnswer(b"", list(self._rows), len(self._rows))


@pytest.mark.parametrize("odd", [{}, {"id": None}, {"id": "x", "topic": "order.updated"}], ids=repr)
async def test_a_webhook_without_an_id_is_none_of_ours(odd: dict[str, Any]) -> None:
    assert [each.id for each in await Answers(odd, OURS).list_webhooks()] == [7]


async def test_a_webhook_that_lacks_the_rest_is_none_of_ours_either() -> None:
    found = await Answers({"id": 6}, {"id": "5", "delivery_url": None}, OURS).list_webhooks()
    assert [(each.id, each.delivery_url) for each in found] == [(6, ""), (5, ""), (7, "https://hooks.example")]


async def test_a_refund_without_an_id_comes_with_the_others() -> None:
    """What it is, the mapper says: it has the bytes."""
    assert await Answers({"amount": "1.00"}, {"id": 3}).refunds_of(17) == [{"amount": "1.00"}, {"id": 3}]


async def test_a_product_without_an_id_is_none_that_was_asked_for() -> None:
    assert await Answers({"name": "Mug"}, {"id": 11}).get_products([11, 12]) == [{"id": 11}]
