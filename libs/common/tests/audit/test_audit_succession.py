"""R20: which keys a known key leads to, either way, and what somebody with a stolen key cannot do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from mlc_common.audit.signing import PublicKey, SigningKey, in_utc
from mlc_common.audit.succession import Handover, KnownKeys, hand_over
from mlc_common.audit.succession import statement as stated
from mlc_common.audit.walk import What
from mlc_common.events import SigningKeyRotated, decode

from .records import AT, event, record

TOPIC = "acme.audit"
FIRST, SECOND, THIRD, STRANGER = (SigningKey.generate() for _ in range(4))


def change(
    old: SigningKey | None, new: SigningKey, *, ends: int = 10, place: int | None = None, topic: str = TOPIC
) -> Handover:
    """A change of keys when every partition ended at ``ends``; it lies at ``place``, or right there."""
    said = hand_over(old, new, topic, {0: ends, 1: ends}, by="kim", at=AT + timedelta(seconds=ends))
    return lying(said, ends if place is None else place)


def lying(said: SigningKeyRotated, place: int) -> Handover:
    """As it comes back from the log."""
    envelope = event(said)
    return Handover(record(envelope, place, topic=TOPIC), envelope.id, decode(envelope, SigningKeyRotated))


def known(given: Sequence[SigningKey], *handovers: Handover) -> KnownKeys:
    return KnownKeys([key.public for key in given], TOPIC, handovers)


def ids(*keys: SigningKey) -> list[str]:
    return [key.public.id for key in keys]


CHAIN = (change(FIRST, SECOND, ends=10), change(SECOND, THIRD, ends=20))


@pytest.mark.parametrize("given", [FIRST, SECOND, THIRD], ids=["oldest", "middle", "newest"])
def test_r20_every_key_of_the_chain_is_known_by_any_one_of_them(given: SigningKey) -> None:
    """R20: an auditor needs the one public key that was kept, whichever."""
    keys = known([given], *CHAIN)
    assert (keys.ids, keys.findings) == (ids(FIRST, SECOND, THIRD), [])
    assert [(said.previous, said.current) for said in keys.handovers] == [
        (FIRST.public.id, SECOND.public.id),
        (SECOND.public.id, THIRD.public.id),
    ]
    third = keys.get(THIRD.public.id)
    assert third is not None
    assert third.proves(THIRD.checkpoint("t", {}, {}, AT))


def test_r20_a_chain_that_no_known_key_is_in_is_named_with_the_known_ones() -> None:
    """R20: a forged chain of keys proves itself alone."""
    keys = known([STRANGER], *CHAIN)
    assert keys.ids == ids(STRANGER)
    assert [(one.what, one.offset) for one in keys.findings] == [(What.KEY_CHANGE, 10), (What.KEY_CHANGE, 20)]
    assert f"gives way to {SECOND.public.id}, by kim, and neither is" in keys.findings[0].detail
    assert STRANGER.public.id in keys.findings[0].detail


def test_r20_from_the_change_on_the_old_key_signs_nothing_on_any_partition() -> None:
    """R20: the place counts, not the time that a checkpoint says."""
    keys = known([THIRD], *CHAIN)
    assert keys.gave_way_before(FIRST.public.id, 0, 9) is None
    after = keys.gave_way_before(FIRST.public.id, 0, 10)
    assert after is not None
    assert after.current == SECOND.public.id
    assert keys.gave_way_before(FIRST.public.id, 1, 10) == after
    assert keys.gave_way_before(FIRST.public.id, 7, 0) == after  # a partition that was not there
    assert keys.gave_way_before(THIRD.public.id, 0, 10_000) is None


Forge = Callable[[SigningKeyRotated], dict[str, Any]]

FORGERIES: dict[str, Forge] = {
    "another new key": lambda said: {"current": STRANGER.public.id, "public": STRANGER.public.line()},
    "another new key, countersigned": lambda said: {
        "current": STRANGER.public.id,
        "public": STRANGER.public.line(),
        "countersignature": STRANGER.sign(stated(said)),
    },
    "another old key": lambda said: {"previous": STRANGER.public.id, "previous_public": STRANGER.public.line()},
    "a key under the id of another": lambda said: {"public": STRANGER.public.line()},
    "later offsets": lambda said: {"offsets": {0: 999, 1: 999}},
    "another time": lambda said: {"at": said.at + timedelta(days=1)},
    "a time out of the calendar": lambda said: {"at": "0001-01-01T00:00:00+14:00"},
    "another person": lambda said: {"by": "jim"},
    "no signature of the old key": lambda said: {"signature": ""},
    "no signature of the new key": lambda said: {"countersignature": "é"},
    "no key at all": lambda said: {"public": "no base64!"},
    "without the old key": lambda said: {"previous": "", "previous_public": "", "signature": ""},
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
@pytest.mark.parametrize("given", [FIRST, SECOND], ids=["by the old key", "by the new key"])
def test_r20_a_change_that_says_anything_else_than_was_signed_is_named_and_leads_nowhere(
    forge: Forge, given: SigningKey
) -> None:
    """R20: flip."""
    said = change(FIRST, SECOND).said
    keys = known([given], lying(SigningKeyRotated.model_validate(said.model_dump() | forge(said)), 10))
    assert keys.ids == ids(given)
    assert [(one.what, one.offset) for one in keys.findings] == [(What.KEY_CHANGE, 10)]


def test_r20_a_key_that_gave_way_cannot_give_way_to_another_as_well() -> None:
    """R20: who stole the old key appoints no successor of their own."""
    keys = known([FIRST], CHAIN[0], change(FIRST, STRANGER, ends=30))
    assert keys.ids == ids(FIRST, SECOND)
    assert [one.offset for one in keys.findings] == [30]
    assert f"had given way to {SECOND.public.id} before" in keys.findings[0].detail


def test_r20_a_key_that_gave_way_makes_no_other_its_predecessor() -> None:
    """R20: who stole the old key cannot give a key of their own a past."""
    keys = known([THIRD], *CHAIN, change(STRANGER, FIRST, ends=999, place=30))
    assert [(one.what, one.offset) for one in keys.findings] == [(What.KEY_CHANGE, 30)]


def test_r20_a_change_of_another_tenants_keys_is_none_of_ours() -> None:
    """R20: insert."""
    keys = known([FIRST], change(FIRST, SECOND, topic="other.audit"))
    assert keys.ids == ids(FIRST)
    assert [one.what for one in keys.findings] == [What.KEY_CHANGE]


def test_a_change_that_the_outbox_brought_twice_is_one_also_after_the_next() -> None:
    first, second = CHAIN
    keys = known([FIRST], first, second, lying(first.said, 25))
    assert (keys.ids, keys.findings) == (ids(FIRST, SECOND, THIRD), [])


def test_a_key_that_began_without_the_old_one_must_be_given_and_needs_no_other() -> None:
    anew = change(None, THIRD, ends=20)
    alone = known([FIRST], CHAIN[0], anew)
    assert alone.ids == ids(FIRST, SECOND)
    assert [one.offset for one in alone.findings] == [20]
    assert "begins without the word of the key before it, by kim, and it is not among" in alone.findings[0].detail
    both = known([FIRST, THIRD], CHAIN[0], anew)
    assert (sorted(both.ids), both.findings) == (sorted(ids(FIRST, SECOND, THIRD)), [])


def test_a_key_on_one_line_is_the_middle_of_its_pem_and_anything_else_is_no_key() -> None:
    line = FIRST.public.line()
    assert FIRST.public.pem().splitlines()[1] == line
    assert PublicKey.of_line(line) == FIRST.public
    for text in ("", "AAAA", "é", line[:-4]):
        assert PublicKey.of_line(text) is None


def test_a_time_whose_zone_leads_out_of_the_calendar_is_told_and_breaks_nothing_off() -> None:
    at = datetime.fromisoformat("0001-01-01T00:00:00+14:00")
    assert in_utc(at) == "0001-01-01T00:00:00+14:00"
    checkpoint = FIRST.checkpoint(TOPIC, {}, {}, AT).model_copy(update={"at": at})
    assert not FIRST.public.proves(checkpoint)
