"""Admission is pure: which requests are let in, as what, under which key."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from datetime import UTC, datetime

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event
from hypothesis import given
from hypothesis import strategies as st

from mlc_common.accounting.identity import event_id, event_id_text
from mlc_common.events import RAW_WEBHOOK, Topics
from mlc_common.events.envelope import from_record
from mlc_ingest.admission import Admitted, Claim, Ping, Reason, Refused, admit, look_at_head, object_id, subject
from mlc_ingest.secrets import ActiveSecrets
from mlc_vendors.woocommerce.signature import sign

from .stand_ins import OTHER_SECRET, SECRET, signed

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TOPICS = Topics("acme")
ORDER = b'{"id":727,"parent_id":0,"status":"processing","refunds":[]}'
GONE = b'{"code":"woocommerce_rest_shop_order_invalid_id","message":"Invalid ID.","data":{"status":404}}'
REFUNDED = b'{"action":"woocommerce_order_refunded","arg":86}'
KNOWN = ActiveSecrets((SECRET,))


def raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode("utf-8")) for name, value in headers.items()]


def decide(body: bytes, headers: list[tuple[bytes, bytes]], secrets: ActiveSecrets = KNOWN) -> object:
    head = look_at_head("POST", "shop", headers)
    if isinstance(head, Refused):
        return head
    return admit(head, body, secrets, topics=TOPICS, now=NOW)


def admitted(body: bytes, **headers: str) -> Admitted:
    decision = decide(body, raw(signed(body, **headers)))
    assert isinstance(decision, Admitted)
    return decision


def test_a_signed_order_goes_on_the_log_byte_for_byte_under_the_orders_key() -> None:
    decision = admitted(ORDER)
    envelope = decision.envelope()
    assert (decision.topic, decision.event) == ("acme.raw.orders", "order.updated")
    assert (envelope.type, envelope.source, envelope.subject) == (RAW_WEBHOOK, "/acme/shop", "shop:order:727")
    assert (envelope.data, envelope.time, envelope.content_type) == (ORDER, NOW, "application/json")
    assert envelope.extensions == {
        "whtopic": "order.updated",
        "whresource": "order",
        "whevent": "updated",
        "whid": "3",
        "whdelivery": "0b33bbe50424f18ba02404eac40b25e5",
        "whsource": "https://shop.example/",
        "whsignature": sign(SECRET, ORDER),
        "useragent": "WooCommerce/11.0.1 Hookshot (WordPress/7.1)",
        "sha256": hashlib.sha256(ORDER).hexdigest(),
        "size": str(len(ORDER)),
        "connection": "shop",
    }


def test_the_event_is_a_cloud_event_that_the_sdk_reads() -> None:
    envelope = admitted(ORDER).envelope()
    read = from_binary_event(KafkaMessage(headers=dict(envelope.headers()), key=envelope.key, value=envelope.data))
    assert (read.get_id(), read.get_type()) == (envelope.id, RAW_WEBHOOK)
    assert read.get_extension("whtopic") == "order.updated"


@pytest.mark.parametrize(
    ("topic", "body", "where", "key"),
    [
        ("order.created", b'{"id":5,"x":1}', "acme.raw.orders", "shop:order:5"),
        ("order.deleted", b'{"id":5}', "acme.raw.orders", "shop:order:5"),
        ("action.woocommerce_order_refunded", REFUNDED, "acme.raw.orders", "shop:order:86"),
        ("action.x", b'{"arg": 9, "action": "x"}', "acme.raw.orders", "shop:order:9"),
        ("product.updated", b'{"id":16,"name":"x"}', "acme.raw.reference", "shop:product:16"),
        ("customer.created", b'{"id":2}', "acme.raw.reference", "shop:customer:2"),
        ("coupon.updated", b"[]", "acme.raw.reference", "shop:coupon:unknown"),
        ("subscription.updated", b'{"id":5}', "acme.raw.orders", "shop:subscription:5"),
        ("shipment.created", b"[]", "acme.raw.orders", "shop:shipment:unknown"),
        ("tax_rate.updated", b'{"id":5}', "acme.raw.orders", "shop:tax_rate:5"),
        ("Weird Resource!.updated", b'{"id":5}', "acme.raw.orders", "shop:order:5"),
        ("order.updated", GONE, "acme.raw.orders", "shop:order:unknown"),
        ("order.updated", b'{"parent_id":1,"id":7}', "acme.raw.orders", "shop:order:7"),
        ("order.updated", b'\n{ "id" : 7 }', "acme.raw.orders", "shop:order:7"),
        ("", b'{"id":7,', "acme.raw.orders", "shop:order:7"),
    ],
)
def test_topic_and_key_follow_from_the_resource_and_the_objects_id(
    topic: str, body: bytes, where: str, key: str
) -> None:
    decision = admitted(body, X_WC_Webhook_Topic=topic, X_WC_Webhook_Resource="")
    assert (decision.topic, decision.envelope().subject) == (where, key)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"7",
        b"{}",
        b'{"id":null}',
        b'{"id":true}',
        b'{"id":"7"}',
        b'{"id":7.0}',
        b'{"id":-7}',
        b'{"id":0}',
        b'{"id":1e3}',
        b'{"id":99999999999999999999999999}',
        b'{"id":9223372036854775808,"a":1}',
        b'{"id":NaN}',
        b'{"x":1e400}',
        b"\xff\xfe{",
        b'{"id"',
        b"[" * 200_000,
        b'{"x":' * 100_000,
        b'{"name":"\\ud800"}',
        b"\x00",
    ],
)
def test_signed_bodies_without_a_usable_id_are_kept_under_one_key(body: bytes) -> None:
    decision = admitted(body)
    assert decision.envelope().subject == "shop:order:unknown"
    assert decision.envelope().data == body


def test_twins_and_repeats_have_one_id_whatever_their_delivery_says() -> None:
    first = admitted(ORDER, X_WC_Webhook_Topic="order.created", X_WC_Webhook_ID="1", X_WC_Webhook_Delivery_ID="a" * 32)
    twin = admitted(ORDER, X_WC_Webhook_Topic="order.updated", X_WC_Webhook_ID="2", X_WC_Webhook_Delivery_ID="b" * 32)
    assert first.envelope().id == twin.envelope().id
    changed = ORDER.replace(b"processing", b"completed")
    assert admitted(changed, X_WC_Webhook_Delivery_ID="a" * 32).envelope().id != first.envelope().id


def test_the_same_bytes_of_another_connection_or_resource_are_another_event() -> None:
    here = admitted(ORDER).envelope().id
    head = look_at_head("POST", "other", raw(signed(ORDER)))
    assert isinstance(head, Claim)
    elsewhere = admit(head, ORDER, KNOWN, topics=TOPICS, now=NOW)
    assert isinstance(elsewhere, Admitted)
    product = admitted(ORDER, X_WC_Webhook_Topic="product.updated")
    assert len({here, elsewhere.envelope().id, product.envelope().id}) == 3


@given(st.data())
def test_no_flipped_bit_of_the_body_passes(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(ORDER) * 8 - 1))
    flipped = bytearray(ORDER)
    flipped[place // 8] ^= 1 << (place % 8)
    assert decide(bytes(flipped), raw(signed(ORDER))) == Refused(Reason.BAD_SIGNATURE)


@given(st.data())
def test_no_flipped_bit_of_the_signature_passes(data: st.DataObject) -> None:
    digest = bytearray(base64.b64decode(sign(SECRET, ORDER)))
    place = data.draw(st.integers(0, len(digest) * 8 - 1))
    digest[place // 8] ^= 1 << (place % 8)
    headers = signed(ORDER, X_WC_Webhook_Signature=base64.b64encode(digest).decode())
    assert decide(ORDER, raw(headers)) == Refused(Reason.BAD_SIGNATURE)


def test_wrong_secrets_do_not_pass_and_the_other_connections_does_not_either() -> None:
    for secret in (OTHER_SECRET, SECRET + " ", SECRET.upper(), "x"):
        assert decide(ORDER, raw(signed(ORDER, secret))) == Refused(Reason.BAD_SIGNATURE)


def test_nothing_passes_where_no_secret_is_active() -> None:
    for none in (ActiveSecrets(()), ActiveSecrets(("",))):
        empty = base64.b64encode(hmac.digest(b"", ORDER, "sha256")).decode()
        assert decide(ORDER, raw(signed(ORDER, X_WC_Webhook_Signature=empty)), none) == Refused(Reason.BAD_SIGNATURE)


def test_both_secrets_pass_while_one_is_being_replaced() -> None:
    both = ActiveSecrets(("the new one", SECRET))
    for secret in both.values:
        assert isinstance(decide(ORDER, raw(signed(ORDER, secret)), both), Admitted)
    assert isinstance(decide(ORDER, raw(signed(ORDER, "retired")), both), Refused)


def test_a_secret_with_entities_signs_with_its_decoded_form() -> None:
    stored = ActiveSecrets(("a&amp;b&quot;",))
    by_decoded = base64.b64encode(hmac.digest(b'a&b"', ORDER, "sha256")).decode()
    by_stored = base64.b64encode(hmac.digest(b"a&amp;b&quot;", ORDER, "sha256")).decode()
    assert isinstance(decide(ORDER, raw(signed(ORDER, X_WC_Webhook_Signature=by_decoded)), stored), Admitted)
    assert isinstance(decide(ORDER, raw(signed(ORDER, X_WC_Webhook_Signature=by_stored)), stored), Refused)


def _same_bits_other_text(signature: str) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = alphabet[alphabet.index(signature[-2]) | 1]
    variant = f"{signature[:-2]}{last}="
    assert variant != signature
    assert base64.b64decode(variant) == base64.b64decode(signature)
    return variant


def test_only_the_one_base64_text_of_a_signature_passes() -> None:
    good = sign(SECRET, ORDER)
    variants = [
        _same_bits_other_text(good),
        good.rstrip("="),
        good + "=",
        good + "==",
        f" {good}",
        f"{good}\n",
        good[:10] + "\n" + good[10:],
        good[:10] + " " + good[10:],
        base64.b64decode(good).hex(),
        base64.b64encode(good.encode()).decode(),
        f"sha256={good}",
        f"{good},{good}",
        good.lower(),
        "",
        "=" * 44,
        "é" * 22,
    ]
    for variant in variants:
        decision = decide(ORDER, raw(signed(ORDER, X_WC_Webhook_Signature=variant)))
        assert isinstance(decision, Refused), variant
        assert decision.status == 401


def test_the_url_safe_alphabet_is_another_signature() -> None:
    bodies = (b'{"id":%d}' % number for number in range(1, 100))
    body = next(body for body in bodies if set(sign(SECRET, body)) & set("+/"))
    safe = sign(SECRET, body).replace("+", "-").replace("/", "_")
    assert decide(body, raw(signed(body, X_WC_Webhook_Signature=safe))) == Refused(Reason.MALFORMED_SIGNATURE)


def test_two_signatures_are_refused_even_if_both_are_right() -> None:
    headers = raw(signed(ORDER))
    headers.append((b"x-wc-webhook-signature", sign(SECRET, ORDER).encode()))
    assert decide(ORDER, headers) == Refused(Reason.SEVERAL_SIGNATURES)


def test_no_signature_is_refused() -> None:
    headers = signed(ORDER)
    del headers["X-WC-Webhook-Signature"]
    assert decide(ORDER, raw(headers)) == Refused(Reason.NO_SIGNATURE)


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", " br ", "deflate, gzip", "identity, gzip", "x"])
def test_compressed_bodies_are_refused_unread(encoding: str) -> None:
    assert decide(ORDER, raw(signed(ORDER, Content_Encoding=encoding))) == Refused(Reason.COMPRESSED)


def test_the_encoding_that_is_none_is_fine() -> None:
    assert isinstance(decide(ORDER, raw(signed(ORDER, Content_Encoding="identity"))), Admitted)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "post", "TRACE"])
def test_only_post_is_let_in(method: str) -> None:
    assert look_at_head(method, "shop", raw(signed(ORDER))) == Refused(Reason.WRONG_METHOD)


FORM = [(b"content-type", b"application/x-www-form-urlencoded")]


@pytest.mark.parametrize("body", [b"webhook_id=15", b"webhook_id=1", b"webhook_id=18446744073709551615"])
def test_a_ping_is_a_form_with_the_webhooks_number_and_nothing_else(body: bytes) -> None:
    assert decide(body, [*FORM, (b"user-agent", b"WooCommerce/11.0.1 Hookshot")]) == Ping()
    assert decide(body, [(b"content-type", b"Application/X-WWW-Form-URLencoded; charset=UTF-8")]) == Ping()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"webhook_id=",
        b"webhook_id=x",
        b"webhook_id=1&a=b",
        b"webhook_id=-1",
        b"a=1",
        b"webhook_id=1\n",
        ORDER,
        b"webhook_id=" + b"9" * 40,
    ],
)
def test_no_other_form_is_a_ping(body: bytes) -> None:
    assert decide(body, FORM) == Refused(Reason.NO_SIGNATURE)


def test_a_ping_in_another_dress_is_refused() -> None:
    for headers in ([(b"content-type", b"application/json")], [], [*FORM, (b"x-wc-webhook-topic", b"order.updated")]):
        assert decide(b"webhook_id=15", headers) == Refused(Reason.NO_SIGNATURE)


def test_a_signed_form_is_no_ping_but_a_webhook() -> None:
    body = b"webhook_id=15"
    assert isinstance(decide(body, raw(signed(body, Content_Type="application/x-www-form-urlencoded"))), Admitted)


def test_headers_that_are_not_printable_are_escaped_and_long_ones_cut() -> None:
    headers = signed(ORDER)
    rest = [(n, v) for n, v in raw(headers) if n not in (b"x-wc-webhook-source", b"user-agent", b"x-wc-webhook-topic")]
    odd = [
        (b"x-wc-webhook-source", "https://schöne.example/\x01".encode("latin-1")),
        (b"user-agent", b"x" * 10_000),
        (b"x-wc-webhook-topic", b"\xff\xfe\x80order.updated"),
    ]
    decision = decide(ORDER, [*rest, *odd])
    assert isinstance(decision, Admitted)
    extensions = decision.envelope().extensions
    assert extensions["whsource"] == "https://sch\\xf6ne.example/\\x01"
    assert extensions["whtopic"] == "\\xff\\xfe\\x80order.updated"
    assert extensions["useragent"] == "x" * 300
    assert decision.event == "other"  # what a stranger sends never becomes a label
    assert (decision.topic, decision.envelope().subject) == ("acme.raw.orders", "shop:order:727")


header_values = st.binary(max_size=400)


@given(
    body=st.binary(max_size=300), topic=header_values, resource=header_values, kind=header_values, agent=header_values
)
def test_whatever_is_signed_is_kept_and_read_back_as_it_was(
    body: bytes, topic: bytes, resource: bytes, kind: bytes, agent: bytes
) -> None:
    headers = [
        (b"x-wc-webhook-signature", sign(SECRET, body).encode()),
        (b"x-wc-webhook-topic", topic),
        (b"x-wc-webhook-resource", resource),
        (b"content-type", kind),
        (b"user-agent", agent),
    ]
    decision = decide(body, headers)
    assert isinstance(decision, Admitted)
    assert from_record(decision.envelope().headers(), decision.envelope().data) == decision.envelope()
    assert decision.envelope().subject.startswith("shop:")


@given(st.binary(max_size=200))
def test_unsigned_bytes_are_never_let_in(body: bytes) -> None:
    assert not isinstance(decide(body, raw({"Content-Type": "application/json"})), Admitted)


json_names = st.sampled_from(["id", "arg", "action", "x"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(json_names, inner, max_size=4),
    max_leaves=10,
)


@given(json_values, st.booleans(), st.sampled_from([None, 1]))
def test_the_quick_look_finds_what_parsing_finds(value: object, compact: bool, indent: int | None) -> None:
    separators = (",", ":") if compact and indent is None else None
    body = json.dumps(value, separators=separators, indent=indent).encode()
    for action, name in ((False, "id"), (True, "arg")):
        named = value.get(name) if isinstance(value, dict) else None
        if action and isinstance(named, str) and re.fullmatch("[0-9]{1,19}", named):
            named = int(named)
        wanted = named if type(named) is int and 0 < named < 2**63 else None
        assert object_id(body, action=action) == wanted


@given(st.integers(1, 2**63 - 1), st.text(max_size=20))
def test_the_id_in_front_is_the_id(number: int, rest: str) -> None:
    body = json.dumps({"id": number, "name": rest}, separators=(",", ":")).encode()
    assert subject("shop", "order", body) == f"shop:order:{number}"


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_the_quick_way_to_an_events_id_gives_the_same_id(parts: list[str]) -> None:
    assert event_id_text(*parts) == str(event_id(*parts))
