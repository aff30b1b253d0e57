"""Signed checkpoints: what proves one, and that nothing of the key shows."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import SecretStr

from mlc_common.audit.signing import PublicKey, SigningKey
from mlc_common.errors import ConfigurationError
from mlc_common.events import ChainCheckpoint, decode

from .records import AT, TOPIC, event

KEY = SigningKey.generate()
CHECKPOINT = KEY.checkpoint(TOPIC, {0: 12, 10: 7}, {0: b"\x01" * 32, 10: b"\x02" * 32}, AT)


def test_a_checkpoint_is_proved_by_the_public_key_alone_after_its_way_over_the_log() -> None:
    public = PublicKey.parse(KEY.public.pem(), "the file")
    assert public == KEY.public
    assert public.proves(decode(event(CHECKPOINT), ChainCheckpoint))


@pytest.mark.parametrize(
    "change",
    [
        {"topic": "acme.outcomes"},
        {"offsets": {0: 13, 10: 7}},
        {"offsets": {0: 7, 10: 12}},
        {"heads": {0: "02" * 32, 10: "02" * 32}},
        {"at": AT + timedelta(microseconds=1)},
        {"signature": "AAAA"},
        {"signature": "no base64!"},
        {"signature": ""},
    ],
    ids=str,
)
def test_a_checkpoint_that_says_anything_else_is_not_proved(change: dict[str, object]) -> None:
    assert not KEY.public.proves(CHECKPOINT.model_copy(update=change))


def test_another_key_proves_nothing_and_has_another_id() -> None:
    other = SigningKey.generate()
    assert not other.public.proves(CHECKPOINT)
    assert other.public.id != KEY.public.id == CHECKPOINT.key_id


def test_the_key_survives_the_vault_and_shows_itself_nowhere() -> None:
    text = KEY.text()
    again = SigningKey.parse(text)
    assert again.public.proves(again.checkpoint(TOPIC, {}, {}, AT))
    assert again.public == KEY.public
    secret = text.get_secret_value()
    assert secret not in repr(KEY) + repr(text) + repr(KEY.public) + CHECKPOINT.model_dump_json()


@pytest.mark.parametrize("text", ["", "AAAA", "no base64!"])
def test_what_is_no_key_in_the_vault_is_said_without_repeating_it(text: str) -> None:
    with pytest.raises(ConfigurationError, match="restore the vault") as raised:
        SigningKey.parse(SecretStr(text))
    assert not text or text not in str(raised.value)


def test_a_file_that_is_no_public_key_of_ours_is_named() -> None:
    elliptic = generate_private_key(SECP256R1()).public_key()
    pem = elliptic.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    for text in ("", "hello", pem):
        with pytest.raises(ConfigurationError, match=r"auditor\.pem is no public key"):
            PublicKey.parse(text, "auditor.pem")


def test_keys_are_equal_by_their_ids() -> None:
    assert dataclasses.replace(KEY.public) == KEY.public
