"""The bookkeeper's hand: what was held goes on once it is released, what is settled is recorded, nothing is doubled.

Judged by the ERP's own tables, and by counting the writes that reached it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from mlc_common.events import Command, HoldResolved, ReleaseRequested, ResolvedWish, decode
from mlc_mapper import examples

from . import books
from .tenants import DONATION, Tenant, opened
from .waiting import until

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("release-and-replay"),
    pytest.mark.kafka,
    pytest.mark.postgres,
]

IMPATIENT = {
    "http": {"max_rps": None, "absence_gap_s": 0.3, "read_timeout_s": 2, "post_timeout_s": 2, "queue_timeout_s": 1}
}
POST = {"method": "PUT", "path": "/PostTransFile"}
USER = "ML_CONNECTOR"


def rules(**changes: Any) -> str:
    """The shipped example, with an account for loaves alone unless ``changes`` say otherwise."""
    base = yaml.load(examples.text(), Loader=yaml.BaseLoader)
    base["revenue"] = {"by_sku": {"BREAD": "401.00"}}
    text: str = yaml.safe_dump({**base, **changes}, allow_unicode=True, sort_keys=False)
    return text


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tenant(
    tmp_path_factory: pytest.TempPathFactory, kafka_bootstrap: str, postgres_dsn: str
) -> AsyncIterator[Tenant]:
    """A tenant whose mapping knows loaves alone, and that does not wait long for its ERP."""
    async with opened(
        tmp_path_factory.mktemp("release-and-replay"),
        kafka=kafka_bootstrap,
        server_dsn=postgres_dsn,
        mapping=rules(),
        contract=IMPATIENT,
        erp_settings={"margin_s": "0.5"},
    ) as opened_tenant:
        yield opened_tenant


async def apply(tenant: Tenant, text: str) -> Path:
    """Put a mapping in force; its file."""
    file = tenant.rig.folder / "corrected.yaml"
    file.write_text(text, encoding="utf-8")
    await tenant.rig.mlc("mapping", "apply", str(file))
    return file


async def writes(tenant: Tenant) -> dict[str, int]:
    """How many calls of each kind that may write have reached the ERP; signing in is none."""
    calls = (await tenant.rig.erp_truth())["calls"]
    return {call: n for call, n in calls.items() if not call.startswith("GET ") and "token" not in call}


async def test_an_order_without_an_account_posts_once_when_the_mapping_is_corrected_and_it_is_released(
    tenant: Tenant,
) -> None:
    order = await tenant.sell(items=[DONATION])
    other = await tenant.sell()
    await tenant.is_held(order["id"], {"invoice": "account_unknown"})
    await tenant.booked(other["id"], {"IN": "3.33"})
    corrected = rules(revenue={"by_sku": {"BREAD": "401.00", "DONATION": "405.00"}})
    file = tenant.rig.folder / "proposed.yaml"
    file.write_text(corrected, encoding="utf-8")
    told = await tenant.rig.mlc("mapping", "diff", str(file))
    change = next(one for one in told["changes"] if one["order"] == order["id"])
    assert (change["was"], change["becomes"]) == ("held", "document")
    assert await tenant.books(order["id"]) == {}, "a look changes nothing"

    await apply(tenant, corrected)
    said = await tenant.rig.mlc("holds", "release", str(order["id"]), "--why", "the account was added")
    assert [(one["outcome"], one["document"]) for one in said["released"]] == [("posted", "invoice")]
    await tenant.booked(order["id"], {"IN": "25.00"})
    assert books.lines(await tenant.rig.erp_truth(), f"IN-WC01-{order['id']}")["405.00"]
    assert await tenant.held(order["id"]) == {}
    (asked,) = [
        decode(event, ReleaseRequested)
        for event in await tenant.log(tenant.topics.control)
        if event.type == ReleaseRequested.event_type
    ]
    assert (asked.why, bool(asked.by)) == ("the account was added", True)
    await tenant.booked(other["id"], {"IN": "3.33"})


async def test_a_draft_that_a_refused_attempt_left_is_amended_and_not_doubled(tenant: Tenant) -> None:
    await tenant.rig.tell_erp("users", name=USER, denied=["post"])
    try:
        order = await tenant.sell()
        await tenant.is_held(order["id"], {"invoice": "rights_missing"})
    finally:
        await tenant.rig.tell_erp("users", name=USER, denied=[])
    batch = f"IN-WC01-{order['id']}"
    assert books.drafts(await tenant.rig.erp_truth(), order["id"]) == [batch]
    await apply(tenant, rules(revenue={"by_sku": {"BREAD": "404.00", "DONATION": "405.00"}}))
    said = await tenant.rig.mlc("holds", "release", "--reason", "rights_missing", "--why", "the role may post now")
    assert [one["outcome"] for one in said["released"]] == ["posted"]
    await tenant.booked(order["id"], {"IN": "3.33"})
    assert "404.00" in books.lines(await tenant.rig.erp_truth(), batch), "the draft said 401.00"


async def test_a_cancellation_s_credit_that_was_refused_is_released_with_its_invoice(tenant: Tenant) -> None:
    order = await tenant.sell()
    await tenant.booked(order["id"], {"IN": "3.33"})
    await tenant.rig.tell_erp("users", name=USER, denied=["post"])
    try:
        await tenant.on_order(order["id"], "cancel")
        await tenant.is_held(order["id"], {"adjustment": "rights_missing"})
    finally:
        await tenant.rig.tell_erp("users", name=USER, denied=[])
    said = await tenant.rig.mlc("holds", "release", str(order["id"]), "--why", "the role may post now")
    assert {(one["document"], one["outcome"]) for one in said["released"]} >= {("adjustment", "posted")}
    await tenant.booked(order["id"], {"IN": "3.33", "X1": "-3.33"})
    assert await tenant.held(order["id"]) == {}


async def test_an_unknown_outcome_is_resolved_by_a_person_and_recorded_with_who_and_why(tenant: Tenant) -> None:
    fault = await tenant.fault("erp", kind="cut_before", **POST)
    order = await tenant.sell()

    async def hit() -> bool:
        return await tenant.hits("erp", fault) > 0

    await until(hit, "the posting was asked for")
    await tenant.rig.tell_erp("drafts/delete", batch=f"IN-WC01-{order['id']}")  # somebody tidies up
    await tenant.heal("erp")
    await tenant.is_held(order["id"], {"invoice": "unknown_outcome"})
    why = "looked in the posting log: it is not there"
    arguments = ("holds", "resolve", str(order["id"]), "--as", "absent", "--why", why, "--by", "ada")
    said = await tenant.rig.mlc(*arguments)
    assert [one["outcome"] for one in said["resolved"]] == ["posted"]
    await tenant.booked(order["id"], {"IN": "3.33"})
    commands = [decode(event, Command) for event in await tenant.log_of(tenant.topics.commands("deltek"), order["id"])]
    assert commands[-1].wish == ResolvedWish(found="absent", by="ada", why=why)
    events = [event for event in await tenant.log(tenant.topics.control) if event.type == HoldResolved.event_type]
    assert [decode(event, HoldResolved).why for event in events] == [why]


async def test_a_replay_of_everything_by_the_same_mapping_writes_nothing_to_the_erp(tenant: Tenant) -> None:
    """R13: and its dry run says so beforehand."""
    orders = [await tenant.sell() for _ in range(3)]
    refunded = await tenant.sell(items=[DONATION])
    refund = await tenant.on_order(refunded["id"], "refunds", amount="10.00")
    await tenant.booked(refunded["id"], {"IN": "25.00", f"R{refund['id']}": "-10.00"})
    for order in orders:
        await tenant.booked(order["id"], {"IN": "3.33"})
    await tenant.at_rest()
    before, commands = await writes(tenant), len(await tenant.log(tenant.topics.commands("deltek")))
    planned = await tenant.rig.mlc("replay", "--all", "--dry-run")
    assert (planned["changes"], planned["changed"]) == ([], 0)
    assert planned["orders"] >= 4
    done = await tenant.rig.mlc("replay", "--all", "--why", "to see that nothing happens")
    assert (done["orders"], done["commands"], done["documents"]) == (planned["orders"], 0, [])
    await tenant.at_rest()
    assert await writes(tenant) == before
    assert len(await tenant.log(tenant.topics.commands("deltek"))) == commands


async def test_what_cannot_be_meant_is_said_clearly(tenant: Tenant) -> None:
    async def refused(*arguments: str) -> str:
        with pytest.raises(Exception, match="error") as caught:
            await tenant.rig.mlc(*arguments)
        return str(caught.value)

    await tenant.at_rest()
    assert "nothing of order 999999 is held" in await refused("holds", "release", "999999", "--why", "x")
    assert "say what to release" in await refused("holds", "release", "--why", "x")
    assert "there is no reason 'odd'" in await refused("holds", "release", "--reason", "odd", "--why", "x")
    assert "say posted, absent or closed" in await refused("holds", "resolve", "1", "--as", "odd", "--why", "x")
    assert "'wrong' is no order" in await refused("holds", "show", "wrong")
    assert "say which orders" in await refused("replay", "--why", "x")
    assert "0:10-20" in await refused("replay", "--offsets", "0-10", "--why", "x")
    assert "say why" in await refused("replay", "--all")
