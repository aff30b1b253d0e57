"""What the envelope promises: opens only where it belongs, with the right key, and never shows what it holds."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from mlc_common.errors import ConfigurationError
from mlc_common.vault import Binding, Key, KeyRing, Sealed, SecretUnreadable
from mlc_common.vault.envelope import open_sealed, rewrap, seal

HERE = Binding("acme", "shop", "consumer_secret", 1)
OLD, NEW = Key.generate("old"), Key.generate("new")
PLAIN = "cs_planted-secret-0123456789"


@given(st.text(min_size=1))
def test_every_text_opens_to_itself(text: str) -> None:
    assert open_sealed(seal(SecretStr(text), HERE, OLD), HERE, KeyRing([OLD])).get_secret_value() == text


@pytest.mark.parametrize(
    "elsewhere",
    [
        Binding("other", "shop", "consumer_secret", 1),
        Binding("acme", "other", "consumer_secret", 1),
        Binding("acme", "shop", "webhook_secret", 1),
        Binding("acme", "shop", "consumer_secret", 2),
        Binding("acme", "shopconsumer_secret", "", 1),
    ],
)
def test_a_record_moved_to_another_place_does_not_open(elsewhere: Binding) -> None:
    sealed = seal(SecretStr(PLAIN), HERE, OLD)
    with pytest.raises(SecretUnreadable, match="does not open with key 'old'"):
        open_sealed(sealed, elsewhere, KeyRing([OLD]))


@pytest.mark.parametrize("part", ["wrapped_key", "wrap_nonce", "nonce", "ciphertext"])
def test_a_record_with_one_changed_bit_does_not_open(part: str) -> None:
    sealed = seal(SecretStr(PLAIN), HERE, OLD)
    raw = bytearray(getattr(sealed, part))
    raw[0] ^= 1
    with pytest.raises(SecretUnreadable):
        open_sealed(Sealed(**{**asdict(sealed), part: bytes(raw)}), HERE, KeyRing([OLD]))


@pytest.mark.parametrize("part", ["wrapped_key", "wrap_nonce", "nonce", "ciphertext"])
def test_a_record_with_an_emptied_part_does_not_open(part: str) -> None:
    sealed = Sealed(**{**asdict(seal(SecretStr(PLAIN), HERE, OLD)), part: b""})
    with pytest.raises(SecretUnreadable):
        open_sealed(sealed, HERE, KeyRing([OLD]))


def test_another_key_under_the_same_id_is_named_as_the_cause() -> None:
    sealed = seal(SecretStr(PLAIN), HERE, OLD)
    with pytest.raises(ConfigurationError, match="holds another key under that id"):
        open_sealed(sealed, HERE, KeyRing([Key.generate("old")]))


def test_a_missing_key_is_named() -> None:
    sealed = seal(SecretStr(PLAIN), HERE, OLD)
    with pytest.raises(ConfigurationError, match="sealed under key 'old', which the vault key file lacks"):
        open_sealed(sealed, HERE, KeyRing([NEW]))


def test_rewrapping_changes_the_wrapped_key_alone_and_needs_the_old_key_no_more() -> None:
    sealed = seal(SecretStr(PLAIN), HERE, OLD)
    fresh = rewrap(sealed, HERE, KeyRing([NEW, OLD]))
    assert (fresh.nonce, fresh.ciphertext) == (sealed.nonce, sealed.ciphertext)
    assert fresh.key_id == "new"
    assert fresh.wrapped_key != sealed.wrapped_key
    assert open_sealed(fresh, HERE, KeyRing([NEW])).get_secret_value() == PLAIN


def test_the_same_secret_is_sealed_under_another_data_key_and_nonces_each_time() -> None:
    first, second = (seal(SecretStr(PLAIN), HERE, OLD) for _ in range(2))
    for part in ("wrapped_key", "wrap_nonce", "nonce", "ciphertext"):
        assert getattr(first, part) != getattr(second, part)


def test_nothing_shows_a_secret_or_a_key() -> None:
    ring = KeyRing([OLD])
    sealed = seal(SecretStr(PLAIN), HERE, OLD)
    shown = repr((OLD, ring, sealed, open_sealed(sealed, HERE, ring), HERE)) + str(ring)
    encoded = OLD.line().strip().partition(":")[2]
    for hidden in (PLAIN, encoded, repr(OLD.material), repr(sealed.ciphertext), repr(sealed.wrapped_key)):
        assert hidden not in shown
