"""What people type as the address of a store."""

from __future__ import annotations

import pytest

from mlc_common.errors import ConfigurationError
from mlc_vendors.woocommerce.address import StoreAddress


@pytest.mark.parametrize(
    ("typed", "site"),
    [
        ("https://shop.example", "https://shop.example"),
        (" https://Shop.example/ ", "https://shop.example"),
        ("https://shop.example/sub/", "https://shop.example/sub"),
        ("https://shop.example/sub/wp-json/wc/v3/", "https://shop.example/sub"),
        ("https://shop.example/wp-json", "https://shop.example"),
        ("https://shop.example:443", "https://shop.example"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://[::1]:8000/x", "http://[::1]:8000/x"),
    ],
)
def test_the_site_is_found_whatever_was_typed(typed: str, site: str) -> None:
    address = StoreAddress.parse(typed)
    assert address.site == site
    assert address.api == f"{site}/wp-json/wc/v3"
    assert address.tls is site.startswith("https")


@pytest.mark.parametrize(
    "typed",
    ["", "shop.example", "ftp://shop.example", "https://", "https://ck_1:cs_planted@shop.example", "https://shop.example:x",
     "https://shop.example/?consumer_secret=cs_planted", "https://shop.example/#cs_planted"],
)  # fmt: skip
def test_what_is_no_site_is_refused_without_repeating_it(typed: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        StoreAddress.parse(typed)
    assert "cs_planted" not in str(caught.value)
