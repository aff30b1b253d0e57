"""Signatures of real deliveries verify, and nothing else does."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc_vendors.woocommerce.signature import sign, verify

BODY = b'{"id":77,"status":"processing"}'


@pytest.mark.contract
def test_every_recorded_delivery_verifies_with_the_stores_secret(deliveries: list[Any]) -> None:
    signed = [each for each in deliveries if "x-wc-webhook-signature" in each.headers]
    assert len(signed) > 100
    for each in signed:
        signature = each.headers["x-wc-webhook-signature"]
        assert verify([each.secret], each.body, signature), each.case
        assert not verify([each.secret], each.body + b" ", signature)


@pytest.mark.contract
def test_the_odd_secrets_that_were_recorded_verify(deliveries: list[Any]) -> None:
    odd = [each for each in deliveries if each.case == "webhook-odd-secrets"]
    assert {"a&amp;b", "  spaced  ", "quote\"'<x>"} <= {each.secret for each in odd}
    assert all(verify([each.secret], each.body, each.headers["x-wc-webhook-signature"]) for each in odd)


@pytest.mark.parametrize(
    ("stored", "key"),
    [
        ("a&amp;b", "a&b"),
        ("a&#038;b&#38;c&#x26;", "a&b&c&"),
        ("&lt;x&gt; &#60;y&#062;", "<x> <y>"),
        ("&quot;q&#034; &#039;r&#x27;", "\"q\" 'r'"),
        ("&amp;lt;", "&lt;"),
        ("&eacute;&nbsp;&apos;&amp", "&eacute;&nbsp;&apos;&amp"),
    ],
)
def test_the_key_is_the_secret_with_special_characters_decoded_once(stored: str, key: str) -> None:
    assert sign(stored, BODY) == base64.b64encode(hmac.new(key.encode(), BODY, hashlib.sha256).digest()).decode()


@given(st.text(min_size=1), st.binary())
def test_what_was_signed_verifies(secret: str, body: bytes) -> None:
    assert verify([secret], body, sign(secret, body))


@given(st.binary(min_size=1), st.data())
def test_one_changed_bit_does_not_verify(body: bytes, data: st.DataObject) -> None:
    signature = sign("secret", body)
    at, bit = data.draw(st.integers(0, len(body) - 1)), data.draw(st.integers(0, 7))
    changed = bytearray(body)
    changed[at] ^= 1 << bit
    assert not verify(["secret"], bytes(changed), signature)


def test_while_a_secret_is_replaced_both_verify() -> None:
    assert verify(["new", "old"], BODY, sign("old", BODY))
    assert verify(["new", "old"], BODY, sign("new", BODY))
    assert not verify(["new"], BODY, sign("old", BODY))


@pytest.mark.parametrize("secrets", [[], [""]])
def test_without_a_secret_nothing_verifies(secrets: list[str]) -> None:
    assert not verify(secrets, BODY, sign("", BODY))


def test_only_the_exact_base64_is_accepted() -> None:
    good = sign("secret", BODY)
    variants = [
        "",
        good.rstrip("="),
        good + "=",
        f" {good}",
        f"{good}\n",
        good.swapcase(),
        f"sha256={good}",
        "ä",
        "\ud800",
    ]
    variants.append(base64.b64decode(good).hex())
    # The last letter before the padding carries two unused bits: other letters decode to the same bytes.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    twin = good[:42] + alphabet[alphabet.index(good[42]) ^ 1] + "="
    assert base64.b64decode(twin) == base64.b64decode(good)
    assert [text for text in [*variants, twin] if verify(["secret"], BODY, text)] == []
