"""OAuth signatures are those that a real store accepted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from mlc_vendors.woocommerce.oauth import base_string, signed_params

KEY, SECRET = "ck_a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1", "cs_b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2"


@pytest.mark.contract
def test_the_signatures_that_a_real_store_accepted_are_ours(exchanges: list[Any]) -> None:
    accepted = [
        each
        for each in exchanges
        if each.case == "auth-variants"
        and "HMAC-SHA256" in each.request["url"]
        and "oauth_nonce" in each.request["url"]
        and each.response["status"] == 200
    ]
    assert len(accepted) == 2
    for each in accepted:
        url = urlsplit(each.request["url"])
        query = dict(parse_qsl(url.query))
        ours = signed_params(
            "GET",
            f"{url.scheme}://{url.netloc}{url.path}",
            [(name, value) for name, value in query.items() if not name.startswith("oauth_")],
            key=KEY,
            secret=SECRET,
            nonce=query["oauth_nonce"],
            at=datetime.fromtimestamp(int(query["oauth_timestamp"]), UTC),
        )
        assert dict(ours) == query


def test_names_and_values_are_encoded_twice_and_sorted_by_bytes() -> None:
    params = [
        ("status[0]", "any"),
        ("modified_after", "2026-11-21T00:03:20"),
        ("_fields", "id,total"),
        ("_", "1"),
        ("Z", "a b~c"),
    ]
    assert base_string("get", "http://shop.example/sub/wp-json/wc/v3/orders", params) == (
        "GET&http%3A%2F%2Fshop.example%2Fsub%2Fwp-json%2Fwc%2Fv3%2Forders&"
        "Z%3Da%2520b~c%26_%3D1%26_fields%3Did%252Ctotal%26modified_after%3D2026-11-21T00%253A03%253A20%26"
        "status%255B0%255D%3Dany"
    )
