"""R20: the signing key gives way to another on real servers, while auditors sign, and everything stays proved."""

from __future__ import annotations

import asyncio
import getpass
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mlc_cli.app import app
from mlc_common.accounting import event_id
from mlc_common.audit.keys import NAME, OWNER, KeyChange, public_keys, signing_key
from mlc_common.audit.signing import PublicKey, SigningKey
from mlc_common.audit.succession import SUBJECT
from mlc_common.audit.telling import PRODUCER
from mlc_common.audit.walk import What
from mlc_common.errors import ConfigurationError, Retryable
from mlc_common.events import ChainCheckpoint, SigningKeyRotated, decode, encode
from mlc_common.store import audit_index, outbox

from .conftest import AT, Tenant, webhook
from .tampering import COUNT, sell

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


def change_of(tenant: Tenant, *, patience_s: float = 30.0) -> KeyChange:
    runtime = tenant.runtime
    return KeyChange(
        runtime.pool, runtime.vault, tenant.topics, tenant.brokers, runtime.clock, by="kim", patience_s=patience_s
    )


async def key_in_vault(tenant: Tenant) -> SigningKey:
    return await signing_key(tenant.runtime.pool, tenant.runtime.vault)


async def sign_again(tenant: Tenant, name: str) -> None:
    """Something comes, is indexed and signed, and the signature is indexed, too."""
    await tenant.append(tenant.topics.raw_orders, webhook(name))
    await tenant.index()
    assert await tenant.checkpoints.tell() >= 1
    await tenant.index()


async def signers(tenant: Tenant) -> list[str]:
    """Who signed the checkpoints of the orders, oldest first."""
    found = [(record.timestamp_ms, record.envelope()) for record in await tenant.log(tenant.topics.audit)]
    told = [
        (at, decode(envelope, ChainCheckpoint)) for at, envelope in found if envelope.type == ChainCheckpoint.event_type
    ]
    ours = sorted((at, one.at, one.key_id) for at, one in told if one.topic == tenant.topics.raw_orders)
    return [key for _, _, key in ours]


async def mlc(*arguments: str) -> Result:
    """The command, in a thread: it has an event loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, ["audit", *arguments])


async def test_r20_what_both_keys_signed_is_proved_by_either_public_key_alone_and_by_the_vault(acme: Tenant) -> None:
    """R20: old checkpoints stay proved, new ones are proved by the chain of keys."""
    await sell(acme)
    old = await key_in_vault(acme)
    said = await change_of(acme).make()
    new = await key_in_vault(acme)
    assert (said.previous, said.current) == (old.public.id, new.public.id)
    assert len(await public_keys(acme.runtime.vault)) == 1  # the old private key is gone
    await sign_again(acme, "later")
    assert await signers(acme) == [old.public.id, new.public.id]
    for keys in ([old.public], [new.public], None):
        found = await acme.verify(keys=keys)
        assert (found.findings, found.checkpoints, found.keys) == ((), 2, (old.public.id, new.public.id))
        assert [(one.previous, one.by) for one in found.handovers] == [(old.public.id, "kim")]
    stranger = await acme.verify(keys=[SigningKey.generate().public])
    unproved = {finding.what for finding in stranger.findings}
    assert unproved
    assert unproved <= {What.CHECKPOINT_KEY, What.KEY_CHANGE}
    assert stranger.checkpoints == 0


async def test_r20_a_new_key_signs_every_chain_anew_also_of_a_topic_on_which_nothing_comes_any_more(
    acme: Tenant,
) -> None:
    """R20: else a thief of the old key, with log and database, could give a quiet topic another past."""
    await sell(acme)
    old = await key_in_vault(acme)
    said = await change_of(acme).make()
    for _ in range(3):
        await acme.checkpoints.tell()
        await acme.index()
        assert await signers(acme) == [old.public.id, said.current]
    again = type(acme.checkpoints)(acme.runtime, 60)  # after a restart
    await again.tell()
    assert await signers(acme) == [old.public.id, said.current]


async def test_r20_the_chain_of_keys_is_found_though_the_index_is_behind(acme: Tenant) -> None:
    """R20: no false alarm while a rebuild folds the index anew."""
    await sell(acme)
    old = await key_in_vault(acme)
    await change_of(acme).make()
    await sign_again(acme, "later")
    await acme.forget()
    found = await acme.verify(keys=[old.public])
    assert (found.findings, len(found.keys)) == ((), 2)


async def test_nothing_is_signed_with_a_key_that_the_log_does_not_know_yet(acme: Tenant) -> None:
    await sell(acme)
    await change_of(acme).make()
    assert not await outbox.is_empty(acme.runtime.pool, PRODUCER, 0)
    await acme.append(acme.topics.raw_orders, webhook("later"))
    await acme.index()
    async with acme.runtime.pool.acquire() as busy, busy.transaction():
        # Somebody else is just appending it.
        await busy.execute("select pg_advisory_xact_lock(hashtext($1), 0)", PRODUCER)
        with pytest.raises(Retryable, match="not on the log yet"):
            await acme.checkpoints.tell()
    assert len(await signers(acme)) == 1
    assert await acme.checkpoints.tell() >= 1
    events = [record.envelope().type for record in await acme.log(acme.topics.audit)]
    assert events.count(SigningKeyRotated.event_type) == 1


async def test_the_key_does_not_change_while_somebody_signs(acme: Tenant) -> None:
    await sell(acme)
    old = await key_in_vault(acme)
    async with audit_index.signing(acme.runtime.pool):
        with pytest.raises(Retryable, match="an auditor is signing"):
            await change_of(acme, patience_s=0.2).make()
        changing = asyncio.create_task(change_of(acme).make())
        done, _ = await asyncio.wait([changing], timeout=0.5)
        assert not done
    assert (await changing).previous == old.public.id


async def test_r20_a_checkpoint_of_the_old_key_behind_its_change_is_named_though_it_says_an_earlier_time(
    acme: Tenant,
) -> None:
    """R20: who stole the old key signs in vain."""
    await sell(acme)
    old = await key_in_vault(acme)
    said = await change_of(acme).make()
    await sign_again(acme, "later")
    topic = acme.topics.raw_orders
    part = await acme.busy(topic)
    last = (await acme.rows(topic, part))[-1]
    forged = old.checkpoint(topic, {part: last.offset}, {part: last.chain}, AT)
    envelope = encode(forged, event_id=event_id("forged"), subject=f"auditor:chain:{topic}", source="/x", time=AT)
    await acme.append(acme.topics.audit, envelope)
    await acme.index()
    (finding,) = (await acme.verify()).findings
    assert (finding.what, finding.event_id) == (What.RETIRED_KEY, envelope.id)
    assert f"key {old.public.id}, which had given way to {said.current}" in finding.detail


async def test_a_vault_that_came_back_with_the_old_key_signs_nothing_and_changes_nothing(acme: Tenant) -> None:
    await sell(acme)
    old = await key_in_vault(acme)
    said = await change_of(acme).make()
    await sign_again(acme, "later")
    await acme.runtime.vault.put(OWNER, NAME, old.text())
    await acme.append(acme.topics.raw_orders, webhook("after the restore"))
    await acme.index()
    told = f"{old.public.id}, gave way to {said.current} and must sign nothing more.*Restore a newer one"
    with pytest.raises(ConfigurationError, match=told):
        await acme.checkpoints.tell()
    with pytest.raises(ConfigurationError, match=told):
        await change_of(acme).make()
    anew = await change_of(acme).make(proved=False)
    await sign_again(acme, "anew")
    assert (await signers(acme))[-1] == anew.current
    (begun,) = await public_keys(acme.runtime.vault)
    unproved = {finding.what for finding in (await acme.verify()).findings}
    assert unproved
    assert unproved <= {What.CHECKPOINT_KEY, What.KEY_CHANGE}
    assert (await acme.verify(keys=[old.public, begun])).findings == ()


async def test_where_there_is_no_key_none_gives_way_and_one_may_begin(acme: Tenant) -> None:
    with pytest.raises(ConfigurationError, match="there is no signing key that could give way"):
        await change_of(acme).make()
    assert await public_keys(acme.runtime.vault) == []
    begun = await change_of(acme).make(proved=False)
    assert (await key_in_vault(acme)).public.id == begun.current
    with pytest.raises(ConfigurationError, match="can sign the change; leave --unproved out"):
        await change_of(acme).make(proved=False)
    await sell(acme)
    assert (await acme.verify()).findings == ()


async def test_the_command_changes_the_key_while_the_auditor_works_and_tells_who(
    acme: Tenant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLC_AUDITOR_CHECKPOINT_SECONDS", "0.2")
    topic = acme.topics.raw_orders

    async def signed_by_two() -> bool:
        return len(set(await signers(acme))) == 2

    async with acme.auditor():
        await acme.append(topic, *(webhook(f"w{i}") for i in range(COUNT)))
        await acme.until(lambda: signed(acme))
        (tmp_path / "auditor.pem").write_text((await mlc("key")).stdout)
        rotated = await mlc("key", "rotate", "--json")
        assert rotated.exit_code == 0, rotated.output
        await acme.append(topic, webhook("later"))
        await acme.until(signed_by_two)
        await acme.until(lambda: acme.is_indexed(acme.topics.audit))
    said = json.loads(rotated.stdout)
    old = PublicKey.parse((tmp_path / "auditor.pem").read_text(), "auditor.pem")
    assert (said["previous"], said["by"]) == (old.id, getpass.getuser())
    assert said["pem"] == (await mlc("key", "show")).stdout
    proved = await mlc("verify", "--public-key", str(tmp_path / "auditor.pem"))
    assert proved.exit_code == 0, proved.output
    assert f"{said['current']}." in proved.stdout.partition(f"Known keys: {old.id} until ")[2]
    story = json.loads((await mlc("show", SUBJECT, "--json")).stdout)
    assert [(line["what"], line["story"]) for line in story] == [
        ("signing_key", f"by {getpass.getuser()}: key {old.id} gave way to {said['current']}")
    ]
    private = (await acme.runtime.vault.get(OWNER, NAME)).get_secret_value()
    log = [record.value or b"" for record in await acme.log(acme.topics.audit)]
    assert private not in rotated.output + proved.output
    assert not any(private.encode() in value for value in log)


async def signed(tenant: Tenant) -> bool:
    return bool(await signers(tenant))
