"""The REST API beyond the captures: keys, rights, walking orders by date, odd requests, what a connector reads."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from .conftest import KEY, Market

READ_ONLY = ("ck_" + "c3" * 20, "cs_" + "d4" * 20)


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def signed(market: Market, path: str, query: dict[str, str], *, seconds: int = 0, nonce: str = "") -> dict[str, str]:
    """OAuth 1.0a parameters, made here by the standard."""
    given = {
        **query,
        "oauth_consumer_key": KEY[0],
        "oauth_timestamp": str(int(market.app.state.clock.now().timestamp()) + seconds),
        "oauth_nonce": nonce or secrets.token_hex(8),
        "oauth_signature_method": "HMAC-SHA256",
    }
    pairs = "&".join(f"{quote(key, safe='~')}={quote(value, safe='~')}" for key, value in sorted(given.items()))
    text = "&".join(["GET", quote(f"{market.url}/wp-json/wc/v3/{path}", safe="~"), quote(pairs, safe="~")])
    digest = hmac.new(f"{KEY[1]}&".encode(), text.encode(), hashlib.sha256).digest()
    return {**given, "oauth_signature": base64.b64encode(digest).decode()}


async def asked(market: Market, path: str, params: dict[str, str] | None = None, **more: Any) -> Any:
    return await market.client.get(f"{market.url}/wp-json/wc/v3/{path}", params=params, **more)


async def test_over_https_basic_and_the_query_string_work_and_the_query_wins(market: Market) -> None:
    keys = {"consumer_key": KEY[0], "consumer_secret": KEY[1]}
    assert (await asked(market, "orders", auth=KEY)).status_code == 200
    assert (await asked(market, "orders", keys)).status_code == 200
    wrong = {**keys, "consumer_secret": "cs_wrong"}
    assert code(await asked(market, "orders", wrong, auth=KEY)) == (401, "woocommerce_rest_authentication_error")


async def test_an_unknown_key_is_nobody_and_an_eaten_header_too(market: Market) -> None:
    assert code(await asked(market, "orders", auth=("ck_x", "cs_x"))) == (401, "woocommerce_rest_cannot_view")
    await market.act("faults", {"kind": "strip_headers", "match": {"path": "^/wp-json"}})
    first, second = await asked(market, "orders", auth=KEY), await asked(market, "orders", auth=KEY)
    assert (first.status_code, second.status_code) == (401, 200)


async def test_a_key_that_may_not_write_is_refused_before_anything_else(market: Market) -> None:
    answer = await market.client.post(f"{market.url}/wp-json/wc/v3/orders", json={"status": "bogus"}, auth=READ_ONLY)
    assert code(answer) == (401, "woocommerce_rest_authentication_error")
    assert (await asked(market, "orders", auth=READ_ONLY)).status_code == 200


async def test_a_user_who_lost_the_right_gets_403(market: Market) -> None:
    await market.act("users/1", {"state": "demoted"})
    assert code(await market.rest("GET", "orders")) == (403, "woocommerce_rest_cannot_view")


plain_http = pytest.mark.parametrize("config", [{"scheme": "http"}])


@plain_http
async def test_oauth_is_the_only_way_where_wordpress_sees_plain_http(market: Market) -> None:
    assert code(await asked(market, "orders", auth=KEY)) == (401, "woocommerce_rest_cannot_view")
    assert (await asked(market, "orders", signed(market, "orders", {"per_page": "1"}))).status_code == 200
    forged = {**signed(market, "orders", {}), "per_page": "2"}
    assert code(await asked(market, "orders", forged)) == (401, "woocommerce_rest_authentication_error")


@plain_http
async def test_oauth_signs_lists_by_index(market: Market) -> None:
    params = signed(market, "orders", {"status[0]": "pending", "status[1]": "on-hold"})
    assert (await asked(market, "orders", params)).status_code == 200


@plain_http
async def test_oauth_accepts_a_nonce_once_and_a_time_within_fifteen_minutes(market: Market) -> None:
    once = signed(market, "orders", {}, nonce="abc")
    assert (await asked(market, "orders", once)).status_code == 200
    again = await asked(market, "orders", once)
    assert again.json()["message"] == "Invalid nonce - nonce has already been used."
    late = await asked(market, "orders", signed(market, "orders", {}, seconds=-901))
    assert late.json()["message"] == "Invalid timestamp."
    assert (await asked(market, "orders", signed(market, "orders", {}, seconds=-890))).status_code == 200


@plain_http
async def test_oauth_remembers_only_the_last_nonce_of_a_second(market: Market) -> None:
    market.app.state.clock.freeze(datetime(2026, 11, 21, tzinfo=UTC))
    first = signed(market, "orders", {}, nonce="first")
    assert (await asked(market, "orders", first)).status_code == 200
    assert (await asked(market, "orders", signed(market, "orders", {}, nonce="second"))).status_code == 200
    assert (await asked(market, "orders", first)).status_code == 200


async def walk(market: Market, **params: str) -> list[int]:
    answer = await asked(market, "orders", {"_fields": "id", "per_page": "100", **params}, auth=KEY)
    assert answer.status_code == 200, answer.text
    return [order["id"] for order in answer.json()]


async def test_date_filters_are_strict_and_have_four_readings(market: Market) -> None:
    clock = market.app.state.clock
    start = datetime(2026, 11, 21, 5, 0, 0, tzinfo=UTC)  # midnight in New York
    ids = []
    for seconds in (0, 1, 2):
        clock.freeze(start + timedelta(seconds=seconds))
        ids.append((await market.act("orders", {"items": [{"sku": "TEA-1"}]}))["id"])
    sorting = {"orderby": "id", "order": "asc"}
    assert await walk(market, after="2026-11-21T00:00:01", **sorting) == ids[2:]
    assert await walk(market, after="2026-11-21T05:00:01", dates_are_gmt="true", **sorting) == ids[2:]
    assert await walk(market, after="2026-11-21T05:00:01Z", **sorting) == ids[2:]
    assert await walk(market, before="2026-11-21T05:00:01Z", **sorting) == ids[:1]
    # With a zone and dates_are_gmt the store reads 00:00:01 UTC: five hours off.
    assert await walk(market, after="2026-11-21T05:00:01Z", dates_are_gmt="true", **sorting) == ids


async def test_offset_paging_over_a_moving_sort_key_skips_and_keyset_walking_does_not(market: Market) -> None:
    clock = market.app.state.clock
    clock.freeze(datetime(2026, 11, 21, tzinfo=UTC))
    ids = []
    for _ in range(6):
        clock.advance(10)
        ids.append((await market.act("orders", {"items": [{"sku": "TEA-1"}]}))["id"])
    paged = {"orderby": "modified", "order": "asc", "per_page": "3"}
    first = await walk(market, **paged)
    clock.advance(10)
    await market.told("PUT", f"orders/{ids[0]}", {})
    second = await walk(market, page="2", **paged)
    assert ids[3] not in first + second
    last = (await market.told("GET", f"orders/{first[-1]}"))["date_modified_gmt"]
    after = await walk(market, modified_after=last, dates_are_gmt="true", **paged)
    assert after == ids[3:6]


async def test_any_hides_trashed_orders_and_naming_them_shows_them(market: Market) -> None:
    kept = (await market.act("orders", {"items": [{"sku": "TEA-1"}]}))["id"]
    gone = (await market.act("orders", {"items": [{"sku": "TEA-1"}]}))["id"]
    await market.act(f"orders/{gone}/trash")
    assert await walk(market) == [kept]
    assert await walk(market, status="any,trash") == [kept]
    assert await walk(market, status="trash") == [gone]
    assert (await market.told("GET", f"orders/{gone}"))["status"] == "trash"


async def test_totals_past_the_end_differ_by_resource(market: Market) -> None:
    await market.act("orders", {"items": [{"sku": "TEA-1"}]})
    for path, total in (("orders", "0"), ("refunds", "0"), ("products", "12"), ("coupons", "3")):
        answer = await market.rest("GET", f"{path}?page=9")
        assert (answer.status_code, answer.json(), answer.headers["X-WP-Total"]) == (200, [], total)


async def test_links_of_a_list_repeat_the_query_with_its_secret(market: Market) -> None:
    for _ in range(3):
        await market.act("orders", {"items": [{"sku": "TEA-1"}]})
    keys = {"per_page": "1", "consumer_key": KEY[0], "consumer_secret": KEY[1], "status[]": "processing"}
    link = (await asked(market, "orders", {**keys, "page": "2"})).headers["Link"]
    assert f"consumer_secret={KEY[1]}" in link
    assert 'rel="prev"' in link
    assert "status%5B0%5D=processing" in link
    assert link.endswith('&dp=2&context=view>; rel="next"')


@pytest.mark.parametrize(
    ("method", "path", "body", "wanted"),
    [
        ("GET", "orders?per_page=x", None, (400, "rest_invalid_param")),
        ("GET", "orders?include=a,2", None, (400, "rest_invalid_param")),
        ("GET", "orders?dates_are_gmt=maybe", None, (400, "rest_invalid_param")),
        ("GET", "orders?modified_after=2026-13-01T00:00:00", None, (400, "rest_invalid_param")),
        ("POST", "orders", {"status": "bogus"}, (400, "rest_invalid_param")),
        ("POST", "orders", {"line_items": [{"product_id": 11, "quantity": 1.5}]}, (400, "rest_invalid_param")),
        ("POST", "orders", {"line_items": ["x"]}, (400, "rest_invalid_param")),
        ("POST", "orders", {"customer_id": "x"}, (500, "internal_server_error")),
        ("POST", "orders", {"line_items": [{"quantity": 1}]}, (400, "woocommerce_rest_required_product_reference")),
        ("POST", "orders", {"fee_lines": [{"total": "1"}]}, (400, "woocommerce_rest_invalid_fee_item")),
        ("POST", "orders", {"shipping_lines": [{"total": "1"}]}, (400, "woocommerce_rest_invalid_shipping_item")),
        ("POST", "customers", {}, (400, "rest_missing_callback_param")),
        ("POST", "customers", {"email": "ü@example.test"}, (400, "customer_invalid_email")),
        ("DELETE", "taxes/1", None, (501, "woocommerce_rest_trash_not_supported")),
        ("PUT", "orders", {}, (404, "rest_no_route")),
        ("GET", "settings/general/nope", None, (404, "rest_setting_setting_invalid")),
        ("GET", "orders/999/notes", None, (404, "woocommerce_rest_order_invalid_id")),
    ],
)
async def test_wrong_requests_get_the_code_of_the_real_thing(
    market: Market, method: str, path: str, body: Any, wanted: tuple[int, str]
) -> None:
    assert code(await market.rest(method, path, body)) == wanted


@pytest.mark.parametrize(
    ("raw", "number"),
    [(b'{"a":', 4), (b'{"a": NaN}', 4), (b'{"a', 3), (b'{"a": "\xff"}', 5), (b"[" * 100_000, 1)],
)
async def test_broken_json_is_refused_with_phps_error_number(market: Market, raw: bytes, number: int) -> None:
    answer = await market.client.post(f"{market.url}/wp-json/wc/v3/orders", content=raw, auth=KEY)
    assert code(answer) == (400, "rest_invalid_json")
    assert answer.json()["data"]["json_error_code"] == number


async def test_lines_are_added_changed_and_removed(market: Market) -> None:
    body = {
        "line_items": [{"sku": "TEA-1", "quantity": 2}, {"sku": "BREAD"}],
        "fee_lines": [{"name": "Wrap", "total": "3"}],
    }
    order = await market.told("POST", "orders", body)
    tea, bread = order["line_items"]
    change = {
        "line_items": [{"id": tea["id"], "quantity": 5}, {"id": bread["id"], "quantity": 0}, {"sku": "SAMPLE"}],
        "fee_lines": [{"id": order["fee_lines"][0]["id"], "name": None}],
    }
    changed = await market.told("PUT", f"orders/{order['id']}", change)
    lines = [(line["sku"], line["quantity"], line["total"]) for line in changed["line_items"]]
    # A quantity alone leaves the line's total as it was.
    assert lines == [("TEA-1", 5, "17.00"), ("SAMPLE", 1, "0.00")]
    assert (changed["fee_lines"], changed["total"]) == ([], "17.68")
    other = await market.rest("PUT", f"orders/{order['id']}", {"line_items": [{"id": 9999, "quantity": 1}]})
    assert code(other) == (400, "woocommerce_rest_invalid_item_id")


async def test_meta_is_overwritten_by_key_and_deleted_by_null_and_keeps_any_json(market: Market) -> None:
    rows = [{"key": "po", "value": "1"}, {"key": "po", "value": {"deep": [1.5, 2.0, None]}}, {"key": "x", "value": "y"}]
    order = await market.told("POST", "orders", {"meta_data": rows})
    assert [(row["key"], row["value"]) for row in order["meta_data"]] == [("po", {"deep": [1.5, 2, None]}), ("x", "y")]
    after = await market.told("PUT", f"orders/{order['id']}", {"meta_data": [{"key": "po", "value": None}]})
    assert [row["key"] for row in after["meta_data"]] == ["x"]


async def test_an_unknown_coupon_leaves_a_draft_that_no_list_shows(market: Market) -> None:
    body = {"line_items": [{"sku": "TEA-1"}], "coupon_lines": [{"code": "nosuch"}]}
    answer = await market.rest("POST", "orders", body)
    draft = answer.json()["data"]["new_draft_order_id"]
    assert code(answer) == (400, "woocommerce_rest_invalid_coupon")
    assert (await market.told("GET", f"orders/{draft}"))["status"] == "checkout-draft"
    assert await walk(market) == []


async def test_refund_lists_carry_the_parent_only_over_all_orders(market: Market) -> None:
    order = await market.act("orders", {"items": [{"sku": "TEA-1"}]})
    made = await market.told("POST", f"orders/{order['id']}/refunds", {"amount": "1.00", "api_refund": False})
    (own,) = await market.told("GET", f"orders/{order['id']}/refunds")
    (listed,) = await market.told("GET", "refunds?after=2020-01-01T00:00:00&dates_are_gmt=true")
    assert own == made
    assert list(listed)[:2] == ["id", "parent_id"]
    assert code(await market.rest("PUT", f"orders/{order['id']}/refunds/{made['id']}", {})) == (404, "rest_no_route")
    assert code(await market.rest("GET", f"refunds/{made['id']}")) == (404, "rest_no_route")


async def test_a_connector_reads_decimals_taxes_zone_and_version(market: Market) -> None:
    decimals = await market.told("GET", "settings/general/woocommerce_price_num_decimals")
    taxes = {row["id"]: row["value"] for row in await market.told("GET", "settings/tax")}
    status = await market.told("GET", "system_status?_fields=environment.version,settings.number_of_decimals")
    root = (await market.client.get(f"{market.url}/wp-json/")).json()
    assert (decimals["value"], taxes["woocommerce_prices_include_tax"]) == ("2", "no")
    assert status == {"environment": {"version": "11.0.1"}, "settings": {"number_of_decimals": 2}}
    assert (root["timezone_string"], root["gmt_offset"] in (-5, -4)) == ("America/New_York", True)
    changed = await market.told("PUT", "settings/general/woocommerce_price_num_decimals", {"value": "3"})
    assert (changed["value"], (await market.told("GET", "system_status"))["settings"]["number_of_decimals"]) == ("3", 3)


async def test_a_name_keeps_its_entities_and_html_and_an_address_does_not_get_any(market: Market) -> None:
    billing = {"company": "Smith & Söhne <Ltd>", "last_name": "O'Neil"}
    order = await market.act("orders", {"items": [{"sku": "POSTER-ND"}], "billing": billing})
    shown = await market.rest("GET", f"orders/{order['id']}")
    assert shown.json()["line_items"][0]["name"] == "Poster <em>Night</em> &amp; Day"
    assert shown.json()["billing"]["company"] == "Smith & Söhne <Ltd>"
    assert b"Smith & S\\u00f6hne <Ltd>" in shown.content


async def test_a_variation_without_a_sku_shows_its_parents_and_stock_of_the_parent_is_parent(market: Market) -> None:
    store = market.app.state.store
    parent = store.skus["TEE"]
    unnamed = store.products[parent].variations[1]
    assert (await market.told("GET", f"products/{parent}/variations/{unnamed}"))["sku"] == "TEE"
    await market.told("PUT", f"products/{parent}", {"manage_stock": True, "stock_quantity": 9})
    shown = await market.told("GET", f"products/{parent}/variations/{unnamed}")
    assert (shown["manage_stock"], shown["stock_quantity"]) == ("parent", 9)
    order = await market.act("orders", {"items": [{"variation_id": unnamed, "quantity": 2}]})
    line = order["line_items"][0]
    assert (line["product_id"], line["variation_id"], line["sku"], line["parent_name"]) == (
        parent,
        unnamed,
        "TEE",
        "Tee Shirt",
    )
    assert (await market.told("GET", f"products/{parent}"))["stock_quantity"] == 7
