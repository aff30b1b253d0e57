"""The key file: what is accepted, what is refused, and with which words."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import structlog

from mlc_common.errors import ConfigurationError
from mlc_common.vault import Key, KeyRing
from mlc_common.vault.keyring import KeyFile, add_current_key, create_key_file, drop_keys

A, B = Key.generate("a"), Key.generate("b")


def encoded(key: Key) -> str:
    return base64.b64encode(key.material).decode()


def test_the_first_line_is_the_current_key_and_the_others_still_open() -> None:
    ring = KeyRing.parse(f"# made in November\n\n{A.line()}  {B.line()}", "keys")
    assert ring.current == A
    assert ring.get("b") == B


def test_json_is_read_in_its_order() -> None:
    ring = KeyRing.parse(json.dumps({"b": encoded(B), "a": encoded(A)}), "keys")
    assert ring.current == B
    assert ring.get("a") == A


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no key"),
        ("{}", "holds no key"),
        ("just-a-word\n", "line 1, is not `key_id:base64`"),
        ("\na:c2hvcnQ=\n", "line 2: key 'a' is not the base64 of 32 bytes"),
        ("a:!!!!\n", "not the base64 of 32 bytes"),
        ("a b:c2hvcnQ=\n", "a key id is 1 to 64"),
        (A.line() + A.line(), "names key 'a' twice"),
        ('{"a": 7}', "not the base64 of 32 bytes"),
        ('{"a": "x"', "is not JSON"),
        (json.dumps({"a": encoded(A)})[:-1] + f', "a": "{encoded(B)}"' + "}", "names key 'a' twice"),
    ],
    ids=["empty", "no keys", "a word", "short", "no base64", "bad id", "twice", "number", "word", "twice in JSON"],
)
def test_a_malformed_file_is_refused_without_showing_a_key(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        KeyRing.parse(text, "keys")
    assert encoded(A) not in str(caught.value)
    assert "c2hvcnQ" not in str(caught.value)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"No such file.*mlc init"):
        KeyRing.load(tmp_path / "absent")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="is not text"):
        KeyRing.load(tmp_path / "keys")


def test_a_made_file_is_its_owners_alone_and_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    key = create_key_file(path)
    assert KeyRing.load(path).current == key
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigurationError, match="not replaced"):
        create_key_file(path)
    assert KeyRing.load(path).current == key


def test_a_new_key_becomes_current_and_the_old_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    old = create_key_file(path)
    new = add_current_key(path)
    ring = KeyRing.load(path)
    assert ring.current == new
    assert ring.get(old.id) == old
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_running_part_notices_a_new_key(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    old = create_key_file(path)
    keys = KeyFile(path)
    assert keys.newest().current == old
    new = add_current_key(path)
    assert keys.newest().ids == (new.id, old.id)


def test_a_file_that_is_broken_or_gone_later_leaves_a_running_part_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    key = create_key_file(path)
    keys = KeyFile(path)
    with structlog.testing.capture_logs() as lines:
        path.write_text("half a ke")
        assert keys.newest().current == key
        path.unlink()
        assert keys.newest().current == key
        assert keys.newest().current == key
    assert [line["event"] for line in lines] == ["vault.key_file_unusable"] * 2, "each said once"
    assert "half a ke" not in str(lines)
    path.write_text(A.line())
    assert keys.newest().current == A


def test_a_dropped_key_is_gone_and_the_last_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    old = create_key_file(path)
    new = add_current_key(path)
    assert drop_keys(path, [old.id]).ids == (new.id,)
    assert KeyRing.load(path).ids == (new.id,)
    with pytest.raises(ConfigurationError, match="holds no key"):
        drop_keys(path, [new.id])
    assert KeyRing.load(path).ids == (new.id,)


def test_whoever_could_read_the_file_can_read_it_after_a_change(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    create_key_file(path)
    path.chmod(0o640)
    add_current_key(path)
    assert path.stat().st_mode & 0o777 == 0o640
