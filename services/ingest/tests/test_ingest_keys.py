"""The Kafka key of a webhook is made of the object that it is about, whatever the resource."""

from __future__ import annotations

import pytest

from mlc_ingest.admission import subject


@pytest.mark.parametrize(
    ("kind", "body", "key"),
    [
        ("order", b'{"id":17,"status":"processing"}', "shop:order:17"),
        ("action", b'{"action":"woocommerce_order_refunded","arg":17}', "shop:order:17"),
        ("action", b'{"action":"woocommerce_order_refunded","arg":"17"}', "shop:order:17"),
        ("action", b'{"arg":"17","action":"woocommerce_order_refunded"}', "shop:order:17"),
        ("action", b'{"action":"x","arg":"9223372036854775808"}', "shop:order:unknown"),
        ("action", b'{"action":"x","arg":"seventeen"}', "shop:order:unknown"),
        ("order", b'{"id":"17"}', "shop:order:unknown"),
        ("action", b'{"id":17}', "shop:order:unknown"),
        ("product", b'{"id":5,"name":"Mug"}', "shop:product:5"),
        ("customer", b'{"name":"Ada","id":6}', "shop:customer:6"),
        ("coupon", b'{"action":"x","arg":7}', "shop:coupon:unknown"),
        ("other", b'{"id":17}', "shop:other:17"),
    ],
)
def test_a_webhook_is_keyed_by_what_it_is_about(kind: str, body: bytes, key: str) -> None:
    assert subject("shop", kind, body) == key
