"""What `mlc audit verify` says to somebody who was not there: what is wrong, what to do, no more than is proved."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mlc_cli.audit.period import period
from mlc_cli.audit.verdict import advice, as_json, say_verdict
from mlc_common.audit.kept import Head
from mlc_common.audit.signing import SigningKey
from mlc_common.audit.succession import hand_over
from mlc_common.audit.verification import Scope, Verified
from mlc_common.audit.walk import Finding, What
from mlc_common.errors import ConfigurationError

AT = datetime(2026, 11, 21, 14, tzinfo=UTC)
GOOD = Verified(
    rows=1200,
    partitions=1,
    checkpoints=3,
    last_checkpoint=AT,
    unsigned=0,
    behind=0,
    keys=("aa", "bb"),
    handovers=(),
    findings=(),
    heads=(Head("acme.outcomes", 0, 1199, "ab" * 32),),
)


def finding(what: What, offset: int = 6) -> Finding:
    return Finding("acme.outcomes", 0, offset, "e1", what, "the detail")


def said(found: Verified, capsys: pytest.CaptureFixture[str], scope: Scope | None = None) -> str:
    say_verdict(found, scope or Scope())
    return capsys.readouterr().out


def test_what_agrees_is_ok_with_counts_and_nothing_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(GOOD, capsys)
    assert as_json(GOOD)["heads"] == [{"topic": "acme.outcomes", "partition": 0, "offset": 1199, "chain": "ab" * 32}]
    assert text.splitlines() == [
        "OK: 1,200 rows of 1 partition agree with the log and with each other.",
        "3 signed checkpoints hold; the last is of 2026-11-21 14:00:00 UTC.",
        "Known keys: aa; bb.",
    ]


def test_a_kept_report_is_said_to_hold_unless_it_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    kept = replace(GOOD, kept=(AT.isoformat(),))
    held = "What the kept report of 2026-11-21 14:00:00 UTC saw is unchanged."
    assert held in said(kept, capsys)
    assert held not in said(replace(kept, findings=(finding(What.KEPT_REPORT),)), capsys)


def test_what_was_looked_at_is_said_where_it_is_not_everything(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(GOOD, capsys, Scope(topic="audit", since=AT, until=AT + timedelta(days=1)))
    first = (
        "Looked at topic audit, what the log took from 2026-11-21 14:00:00 UTC on and before 2026-11-22 14:00:00 UTC."
    )
    assert text.startswith(first)


def test_nothing_at_all_is_not_called_ok(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(replace(GOOD, rows=0, partitions=0), capsys)
    assert "Nothing to verify" in text
    assert "OK" not in text


@pytest.mark.parametrize("what", What)
def test_every_finding_says_what_to_do_once_however_many_there_are(
    what: What, capsys: pytest.CaptureFixture[str]
) -> None:
    findings = (finding(what), finding(what, 9))
    text = said(replace(GOOD, findings=findings), capsys)
    assert text.count("the detail") == 2
    assert text.count("What to do: ") == 1
    assert f"What to do: {advice(what)}" in text
    assert "acme.outcomes/0/9" in text
    assert "2 bad places" in text
    assert [each["advice"] for each in as_json(replace(GOOD, findings=findings))["findings"]] == [advice(what)] * 2


def test_what_lacks_a_key_is_not_proved_and_not_called_altered(capsys: pytest.CaptureFixture[str]) -> None:
    unknown = replace(GOOD, findings=(finding(What.CHECKPOINT_KEY), finding(What.KEY_CHANGE)))
    text = said(unknown, capsys)
    assert "Not proved: 2 bad places" in text
    assert "Altered" not in text
    altered = replace(unknown, findings=(*unknown.findings, finding(What.CHANGED_ROW)))
    assert "Altered: 3 bad places" in said(altered, capsys)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (GOOD, "No signed checkpoint covers this yet; the auditor makes one every minute"),
        (replace(GOOD, findings=(finding(What.CHECKPOINT_KEY),)), "No signed checkpoint covers this.\n"),
    ],
    ids=["young", "unproved"],
)
def test_where_no_checkpoint_holds_one_is_promised_only_if_that_is_all(
    found: Verified, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words in said(replace(found, last_checkpoint=None, checkpoints=0), capsys)


def test_each_key_says_until_when_it_signed_and_who_changed_it(capsys: pytest.CaptureFixture[str]) -> None:
    old, new = SigningKey.generate(), SigningKey.generate()
    change = hand_over(old, new, "acme.audit", {0: 7}, by="kim", at=AT)
    found = replace(GOOD, keys=(change.previous, change.current), handovers=(change,), unsigned=1)
    text = said(found, capsys)
    until = f"Known keys: {change.previous} until 2026-11-21 14:00:00 UTC, changed by kim; {change.current}."
    assert until in text
    assert "Not signed yet, as they came after the last checkpoint: 1 record." in text
    assert as_json(found)["handovers"] == [
        {"from": change.previous, "to": change.current, "at": "2026-11-21T14:00:00+00:00", "by": "kim"}
    ]


def test_a_period_that_ends_before_it_begins_is_refused_with_both_of_its_ends() -> None:
    with pytest.raises(ConfigurationError, match="--from 2026-11-22 is not before --to 2026-11-21"):
        period("2026-11-22", "2026-11-21")
    begins, ends = period("2026-11-21", "2026-11-21")
    assert begins is not None
    assert ends == begins + timedelta(days=1)
