"""How a request is signed, sent again, and read, with the HTTP client played by a script."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, cast

import httpx
import pytest
from pydantic import SecretStr

from mlc_common.clock import FixedClock
from mlc_common.errors import ConfigurationError, Rejected, Unconfirmed
from mlc_common.http import HttpAnswer, HttpClient
from mlc_vendors.woocommerce.address import StoreAddress
from mlc_vendors.woocommerce.auth import AuthMode, WooCommerceCredentials
from mlc_vendors.woocommerce.client import WooCommerceClient
from mlc_vendors.woocommerce.errors import CredentialsRefused, NotJson, StaleAnswer
from mlc_vendors.woocommerce.oauth import base_string

KEY, SECRET = "ck_planted", "cs_planted"
NOON = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
STRANGER = (401, b'{"code":"woocommerce_rest_cannot_view","message":"x","data":{"status":401}}')
WRONG = (401, b'{"code":"woocommerce_rest_authentication_error","message":"x","data":{"status":401}}')
ORDER = (200, b'{"id":7,"total":"1.10","line_items":[{"price":11.700000000000001}]}')


@dataclass
class Asked:
    method: str
    url: str
    headers: dict[str, str]
    query: dict[str, str]
    content: bytes | None
    safe: bool
    sensitive_query: bool

    @property
    def way(self) -> str:
        """By which way the request was signed."""
        if "Authorization" in self.headers:
            return "basic"
        return next((name for name in ("consumer_key", "oauth_consumer_key") if name in self.query), "nothing")


@dataclass
class Script:
    """Plays ``HttpClient``: each request is answered by the function."""

    answer: Callable[[Asked], tuple[Any, ...]]
    asked: list[Asked] = field(default_factory=list)

    async def request(self, method: str, url: str, **options: Any) -> HttpAnswer:
        asked = Asked(
            method,
            url,
            dict(options["headers"]),
            dict(options["params"]),
            options["content"],
            options["safe"],
            options["sensitive_query"],
        )
        assert len(asked.query) == len(options["params"])
        self.asked.append(asked)
        status, content, *headers = self.answer(asked)
        return HttpAnswer(status, httpx.Headers(headers[0] if headers else {}), content, httpx.URL(url).path)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture
def make(clock: FixedClock) -> Callable[..., tuple[WooCommerceClient, Script]]:
    def make(
        answer: Callable[[Asked], tuple[Any, ...]], url: str = "https://shop.example/sub", **options: Any
    ) -> tuple[WooCommerceClient, Script]:
        script = Script(answer)
        credentials = WooCommerceCredentials(consumer_key=SecretStr(KEY), consumer_secret=SecretStr(SECRET))
        client = WooCommerceClient(
            StoreAddress.parse(url), credentials, http=cast(HttpClient, script), clock=clock, **options
        )
        return client, script

    return make


Make = Callable[..., tuple[WooCommerceClient, Script]]


async def test_an_order_comes_with_its_bytes_and_exact_numbers(make: Make) -> None:
    client, script = make(lambda _asked: ORDER)
    answer = await client.read_order(7)
    assert answer.raw == ORDER[1]
    assert str(answer.order["line_items"][0]["price"]) == "11.700000000000001"
    (asked,) = script.asked
    assert (asked.method, asked.url, asked.safe) == ("GET", "https://shop.example/sub/wp-json/wc/v3/orders/7", True)
    assert asked.headers["Authorization"] == "Basic " + base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
    assert SECRET not in repr(answer) + repr(client._auth.__dict__)


async def test_every_read_has_an_address_of_its_own_for_caches(make: Make) -> None:
    client, script = make(lambda _asked: ORDER)
    for _ in range(3):
        await client.get_order(7)
    assert len({asked.query["_"] for asked in script.asked}) == 3


async def test_a_host_that_strips_the_header_is_found_out_once_and_remembered(make: Make) -> None:
    client, script = make(lambda asked: ORDER if asked.way == "consumer_key" else STRANGER)
    await client.get_order(7)
    await client.get_order(7)
    assert [asked.way for asked in script.asked] == ["basic", "consumer_key", "consumer_key"]
    assert client.auth_mode is AuthMode.QUERY
    assert all(asked.sensitive_query is (asked.way == "consumer_key") for asked in script.asked)


async def test_a_way_that_worked_before_is_tried_first(make: Make) -> None:
    client, script = make(lambda asked: ORDER if asked.way == "consumer_key" else STRANGER, auth_mode=AuthMode.QUERY)
    await client.get_order(7)
    assert [asked.way for asked in script.asked] == ["consumer_key"]


async def test_a_header_that_gets_through_again_is_found_too(make: Make) -> None:
    works = ["consumer_key"]
    client, script = make(lambda asked: ORDER if asked.way in works else STRANGER)
    await client.get_order(7)
    works[:] = ["basic"]
    await client.get_order(7)
    assert client.auth_mode is AuthMode.BASIC
    assert [asked.way for asked in script.asked] == ["basic", "consumer_key", "consumer_key", "basic"]


async def test_a_proxy_that_hides_tls_from_the_store_is_got_through_by_oauth(make: Make) -> None:
    def answer(asked: Asked) -> tuple[Any, ...]:
        if asked.url.endswith("/wp-json/"):
            return 200, b'{"home":"http://shop.example/sub"}'
        return ORDER if asked.way == "oauth_consumer_key" else STRANGER

    client, script = make(answer)
    await client.get_order(7)
    assert client.auth_mode is AuthMode.OAUTH_BEHIND_PROXY
    assert script.asked[-1].url.startswith("https://")
    assert signature_fits(script.asked[-1], "http://shop.example/sub/wp-json/wc/v3/orders/7")


async def test_a_wrong_secret_is_said_at_once_and_tried_no_other_way(make: Make) -> None:
    client, script = make(lambda _asked: WRONG)
    with pytest.raises(CredentialsRefused, match="refuses the consumer secret"):
        await client.get_order(7)
    assert [asked.way for asked in script.asked] == ["basic"]


async def test_an_unknown_key_is_tried_every_way_once_and_then_only_in_one(make: Make) -> None:
    client, script = make(lambda _asked: STRANGER)
    for calls in (3, 4):
        with pytest.raises(CredentialsRefused, match="does not know the consumer key") as caught:
            await client.get_order(7)
        assert len(script.asked) == calls
        assert KEY not in str(caught.value)


async def test_plain_http_is_signed_with_oauth_alone(make: Make) -> None:
    client, script = make(lambda _asked: ORDER, url="http://shop.example:8000")
    await client.get_order(7)
    (asked,) = script.asked
    assert asked.way == "oauth_consumer_key"
    assert SECRET not in str(asked)
    assert signature_fits(asked, "http://shop.example:8000/wp-json/wc/v3/orders/7")


async def test_each_request_has_a_nonce_of_its_own(make: Make) -> None:
    client, script = make(lambda _asked: ORDER, url="http://shop.example")
    for _ in range(3):
        await client.get_order(7)
    assert len({asked.query["oauth_nonce"] for asked in script.asked}) == 3


async def test_a_refused_signature_is_made_anew_with_the_stores_time_and_its_own_address(make: Make) -> None:
    """The clock is off by an hour, and the store calls itself by another host than we do."""
    store_time = NOON.replace(hour=13)

    def answer(asked: Asked) -> tuple[Any, ...]:
        if asked.url.endswith("/wp-json/"):
            assert asked.way == "nothing"
            return 200, b'{"home":"http://www.shop.example"}'
        good = asked.query["oauth_timestamp"] == str(int(store_time.timestamp()))
        good &= signature_fits(asked, "http://www.shop.example/wp-json/wc/v3/orders/7")
        status, content = ORDER if good else WRONG
        return status, content, {"Date": format_datetime(store_time, usegmt=True)}

    client, script = make(answer, url="http://shop.example")
    await client.get_order(7)
    await client.get_order(7)
    assert [asked.url.rsplit("/", 1)[1] for asked in script.asked] == ["7", "", "7", "7"]
    assert client.clock_skew_s == 3600


async def test_an_old_copy_from_a_cache_is_not_taken(make: Make) -> None:
    client, _ = make(lambda _asked: (*ORDER, {"Age": "900"}))
    with pytest.raises(StaleAnswer):
        await client.get_order(7)


@pytest.mark.parametrize("content", [b"<html>login</html>", b"", b"\xef\xbb\xbf{}", b'{"id": NaN}', b"[" * 100_000])
async def test_what_is_no_json_passes_by_itself(make: Make, content: bytes) -> None:
    client, _ = make(lambda _asked: (200, content))
    with pytest.raises(NotJson):
        await client.get_order(7)


async def test_a_list_where_an_object_belongs_passes_by_itself(make: Make) -> None:
    client, _ = make(lambda _asked: (200, b"[]"))
    with pytest.raises(NotJson):
        await client.get_order(7)


async def test_what_is_gone_is_none_but_a_missing_api_is_an_error(make: Make) -> None:
    gone = (404, b'{"code":"woocommerce_rest_shop_order_invalid_id","message":"x","data":{"status":404}}')
    client, _ = make(lambda _asked: gone)
    assert await client.get_order(7) is None
    client, _ = make(lambda _asked: (404, b"<html>not found</html>"))
    with pytest.raises(ConfigurationError, match="Permalinks"):
        await client.get_order(7)


async def test_the_first_lost_answer_of_a_new_webhook_is_looked_for_and_not_repeated(make: Make) -> None:
    made = b'{"id":5,"name":"n","status":"active","topic":"order.updated","delivery_url":"https://us.example/h"}'
    posts = 0

    def answer(asked: Asked) -> tuple[Any, ...]:
        nonlocal posts
        if asked.method == "POST":
            assert not asked.safe
            posts += 1
            return 504, b"<html>"
        if asked.method == "PUT":
            return 200, made
        return 200, (b"[" + made + b"]" if posts else b"[]"), {"X-WP-Total": str(posts)}

    client, script = make(answer)
    assert await client.ensure_webhook("order.updated", "https://us.example/h", SecretStr("s"))
    assert [asked.method for asked in script.asked] == ["GET", "POST", "GET", "PUT"]


async def test_a_new_webhook_that_cannot_be_found_afterwards_stays_unconfirmed(make: Make) -> None:
    client, _ = make(lambda asked: (504, b"") if asked.method == "POST" else (200, b"[]", {"X-WP-Total": "0"}))
    with pytest.raises(Unconfirmed):
        await client.ensure_webhook("order.updated", "https://us.example/h", SecretStr("s"))


async def test_a_webhook_that_the_store_refuses_says_its_code(make: Make) -> None:
    refused = (400, b'{"code":"woocommerce_rest_shop_webhook_invalid_topic","message":"x","data":{"status":400}}')
    client, _ = make(lambda asked: refused if asked.method == "POST" else (200, b"[]"))
    with pytest.raises(Rejected) as caught:
        await client.create_webhook("refund.created", "https://us.example/h", SecretStr("s"))
    assert caught.value.rejection == "woocommerce_rest_shop_webhook_invalid_topic"


def signature_fits(asked: Asked, url: str) -> bool:
    unsigned = [(name, value) for name, value in asked.query.items() if name != "oauth_signature"]
    digest = hmac.digest(f"{SECRET}&".encode(), base_string(asked.method, url, unsigned).encode(), "sha256")
    return asked.query["oauth_signature"] == base64.b64encode(digest).decode()
