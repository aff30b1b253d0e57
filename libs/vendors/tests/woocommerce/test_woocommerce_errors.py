"""What the store answers, as errors: by code and status, never by message."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from mlc_common.errors import ConnectorError, Rejected, Retryable, Unconfirmed
from mlc_common.http import HttpAnswer
from mlc_vendors.woocommerce.errors import (
    Blocked,
    CredentialsRefused,
    Moved,
    NotFound,
    NotJson,
    RightsMissing,
    RouteMissing,
    StoreIll,
    header_unseen,
    is_ill,
    not_json,
    refusal,
    signature_refused,
)

EXPECTED: dict[tuple[int, str], tuple[type[ConnectorError], str]] = {
    (401, "woocommerce_rest_cannot_view"): (CredentialsRefused, ""),
    (401, "woocommerce_rest_authentication_error"): (CredentialsRefused, ""),
    (401, "woocommerce_rest_authentication_missing_parameter"): (CredentialsRefused, ""),
    (404, "rest_no_route"): (RouteMissing, ""),
    (400, "rest_invalid_param"): (Rejected, "rest_invalid_param"),
    (400, "rest_missing_callback_param"): (Rejected, "rest_missing_callback_param"),
    (400, "rest_invalid_json"): (Rejected, "rest_invalid_json"),
    (404, "woocommerce_rest_shop_order_invalid_id"): (NotFound, "woocommerce_rest_shop_order_invalid_id"),
    (400, "woocommerce_rest_shop_order_invalid_id"): (NotFound, "woocommerce_rest_shop_order_invalid_id"),
    (404, "woocommerce_rest_product_invalid_id"): (NotFound, "woocommerce_rest_product_invalid_id"),
    (400, "woocommerce_rest_product_invalid_id"): (NotFound, "woocommerce_rest_product_invalid_id"),
    (404, "wc_user_invalid_id"): (NotFound, "wc_user_invalid_id"),
    (404, "woocommerce_rest_shop_order_refund_invalid_id"): (NotFound, "woocommerce_rest_shop_order_refund_invalid_id"),
    (404, "woocommerce_rest_shop_webhook_invalid_id"): (NotFound, "woocommerce_rest_shop_webhook_invalid_id"),
    (400, "woocommerce_rest_shop_webhook_invalid_id"): (NotFound, "woocommerce_rest_shop_webhook_invalid_id"),
    (500, "woocommerce_rest_invalid_order_id"): (NotFound, "woocommerce_rest_invalid_order_id"),
    (500, "woocommerce_rest_cannot_create_order_refund"): (Rejected, "woocommerce_rest_cannot_create_order_refund"),
    (501, "woocommerce_rest_trash_not_supported"): (Rejected, "woocommerce_rest_trash_not_supported"),
    (410, "woocommerce_rest_already_trashed"): (Rejected, "woocommerce_rest_already_trashed"),
    (413, "woocommerce_rest_request_entity_too_large"): (Rejected, "woocommerce_rest_request_entity_too_large"),
    (400, "product_invalid_sku"): (Rejected, "product_invalid_sku"),
    (400, "registration-error-email-exists"): (Rejected, "registration-error-email-exists"),
    (400, "woocommerce_rest_invalid_coupon"): (Rejected, "woocommerce_rest_invalid_coupon"),
    (400, "woocommerce_rest_invalid_customer_id"): (Rejected, "woocommerce_rest_invalid_customer_id"),
    (400, "woocommerce_rest_shop_webhook_invalid_topic"): (Rejected, "woocommerce_rest_shop_webhook_invalid_topic"),
    (400, "woocommerce_rest_shop_webhook_invalid_delivery_url"): (
        Rejected,
        "woocommerce_rest_shop_webhook_invalid_delivery_url",
    ),
}


def answer(status: int, content: bytes = b"", *, after: float | None = None, **headers: str) -> HttpAnswer:
    return HttpAnswer(status, httpx.Headers(headers), content, "/wp-json/wc/v3/orders", after)


def error(code: str) -> bytes:
    return b'{"code":"%s","message":"Der Schl\\u00fcssel","data":{"status":0}}' % code.encode()


@pytest.mark.contract
def test_every_recorded_refusal_is_the_error_that_it_should_be(exchanges: list[Any]) -> None:
    refused = [each for each in exchanges if each.response["status"] >= 400]
    assert len(refused) > 40
    for each in refused:
        status, body = each.response["status"], each.response["body"]
        code = json.loads(body)["code"]
        found = refusal(answer(status, body.encode()), "GET x", safe=each.request["method"] == "GET")
        kind, rejection = EXPECTED[status, code]
        assert type(found) is kind, (each.case, each.request["url"])
        assert getattr(found, "rejection", "") == rejection


@pytest.mark.contract
def test_no_recorded_good_answer_is_an_error_or_ill(exchanges: list[Any]) -> None:
    good = [each for each in exchanges if 200 <= each.response["status"] < 300 and each.request["method"] != "HEAD"]
    assert len(good) > 100
    for each in good:
        given = answer(each.response["status"], each.response["body"].encode())
        assert (refusal(given, "x", safe=True), is_ill(given)) == (None, False), each.case


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (answer(403, error("woocommerce_rest_cannot_view")), RightsMissing),
        (answer(401, b"<html>password</html>"), CredentialsRefused),
        (answer(403, b"<html>Cloudflare</html>"), Blocked),
        (answer(406, b"Not Acceptable!"), Blocked),
        (answer(404, b"<html>not found</html>"), RouteMissing),
        (answer(429, b"slow down"), StoreIll),
        (answer(500, error("internal_server_error")), StoreIll),
        (answer(502, b"<html>"), StoreIll),
        (answer(503, error("wp_die")), StoreIll),
        (answer(414, b"<html>too long</html>"), Rejected),
        (answer(301, location="https://www.shop.example/wp-json/?consumer_secret=x"), Moved),
    ],
)
def test_answers_of_hosts_and_firewalls_are_told_apart(given: HttpAnswer, kind: type[ConnectorError]) -> None:
    assert type(refusal(given, "GET orders", safe=True)) is kind


def test_a_server_that_says_when_to_come_back_is_believed() -> None:
    found = refusal(answer(503, b"", after=90.0), "GET orders", safe=True)
    assert isinstance(found, Retryable)
    assert found.after == 90.0


@pytest.mark.parametrize(("status", "kind"), [(500, Unconfirmed), (504, Unconfirmed), (429, StoreIll)])
def test_a_write_that_broke_the_server_may_have_happened(status: int, kind: type[ConnectorError]) -> None:
    assert type(refusal(answer(status, b"<html>"), "POST webhooks", safe=False)) is kind


@pytest.mark.parametrize(
    ("status", "content", "ill"),
    [
        (500, error("internal_server_error"), True),
        (500, error("woocommerce_rest_cannot_create_order_refund"), False),
        (500, b'{"code":"woocommerce_rest_invalid_order_id","message":"x","data":404}', False),
        (501, error("woocommerce_rest_trash_not_supported"), False),
        (503, b"<html>", True),
        (200, b"<html>login</html>", True),
        (200, b"", True),
        (200, b"\xef\xbb\xbf{}", True),
        (200, b"\n []", False),
        (404, error("rest_no_route"), False),
        (403, b"<html>", False),
    ],
)
def test_only_a_broken_server_counts_as_ill(status: int, content: bytes, ill: bool) -> None:
    assert is_ill(answer(status, content)) is ill


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xef\xbb\xbf[]", "byte order mark"),
        (b"<br />\n<b>Notice</b>:  Undefined index in <b>/srv/x.php</b><br />\n[]", "messages of PHP"),
        (b"<br />\n<b>Deprecated</b>:  x[]", "messages of PHP"),
        (b"<!DOCTYPE html><title>Log In</title>", "web page"),
        (b"", "no JSON"),
        (b"OK", "no JSON"),
    ],
)
def test_a_200_without_json_passes_by_itself_and_says_why(content: bytes, words: str) -> None:
    found = not_json(content, "GET orders.list", safe=True)
    assert isinstance(found, NotJson)
    assert words in str(found)
    assert "/srv" not in str(found)


def test_a_write_answered_with_200_and_no_json_may_have_happened() -> None:
    assert isinstance(not_json(b"<html>", "POST webhooks.create", safe=False), Unconfirmed)


def test_messages_hold_nothing_of_the_body_or_the_query() -> None:
    secret = b"cs_planted"
    for given in (
        answer(400, b'{"code":"rest_invalid_param","message":"cs_planted"}'),
        answer(400, b'{"code":"cs planted <b>","message":"cs_planted"}'),
        answer(403, secret),
        answer(500, secret),
        answer(302, location="https://user:cs_planted@shop.example/?consumer_secret=cs_planted"),
    ):
        assert secret.decode() not in str(refusal(given, "GET orders", safe=True))


def test_strangers_and_bad_signatures_are_told_apart() -> None:
    stranger, wrong = (
        answer(401, error("woocommerce_rest_cannot_view")),
        answer(401, error("woocommerce_rest_authentication_error")),
    )
    assert (header_unseen(stranger), signature_refused(stranger)) == (True, False)
    assert (header_unseen(wrong), signature_refused(wrong)) == (False, True)
    assert not header_unseen(answer(403, error("woocommerce_rest_cannot_view")))
    assert not header_unseen(answer(401, b"<html>"))
