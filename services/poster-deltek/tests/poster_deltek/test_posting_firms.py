"""The firm of a buyer: by our key, by a contact's e-mail, made once; never by name."""

from __future__ import annotations

from typing import Any

import pytest

from mlc_common.accounting import HoldReason, Party, Placement
from mlc_vendors.deltek import NewContact

from .desk import Desk, OpenDesk

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.asyncio(loop_scope="session")]

KEYS: dict[str, Any] = {"firm_external_key": True}
CARRIED: dict[str, Any] = {"fields": {"firm.external_key": {"enabled": True}}}
BY_FIRM = Placement(rule="by_firm")
NORTHWIND, NAMESAKE = "Northwind Traders Ltd", "Northwind Traders LLC"


def new_buyer(at: Desk, **changes: Any) -> Party:
    """A buyer whose firm may be made."""
    address = {"line1": "1 Main St", "city": "Springfield", "state": "IL", "postcode": "62701", "country": "US"}
    values = {"match": ("external_key", "email"), "create": True, "email": "ada@example.com", "billing": address}
    return at.buyer("4711", **{**values, **changes})


async def of_buyer(at: Desk, party: Party) -> list[str]:
    """Post an order of this buyer to the web project; the reasons why it is held."""
    await at.post(at.wanted(1, at.invoice(party=party)))
    return await at.reasons()


async def contact(at: Desk, firm: dict[str, Any], email: str) -> None:
    """Give a firm a contact."""
    async with at.client() as client:
        await client.ensure_contact(firm["ClientID"], NewContact(last_name="Byron", email=email))


async def ours(at: Desk, key: str = "WC01:4711") -> list[dict[str, Any]]:
    """The firms that carry our key."""
    return [firm for firm in (await at.truth())["firms"] if firm.get("custMLKey") == key]


async def test_two_first_orders_of_one_buyer_at_once_make_one_firm(desk: OpenDesk) -> None:
    async with desk(KEYS, contract=CARRIED, countries={"US": "United States"}) as at:
        await at.post(*(at.wanted(1, at.invoice(1001 + n, party=new_buyer(at))) for n in range(2)))
        (firm,) = await ours(at)
        truth = await at.truth()
        (address,) = [one for one in truth["addresses"] if one["ClientID"] == firm["ClientID"]]
        (contact,) = [one for one in truth["contacts"] if one["ClientID"] == firm["ClientID"]]
        assert (firm["Name"], address["Country"], contact["Email"]) == (
            "Ada Lovelace",
            "United States",
            "ada@example.com",
        )
        assert sorted(await at.batches()) == ["IN-WC01-1001", "IN-WC01-1002"]


@pytest.mark.parametrize("fault", ["cut_after", "cut_before", "late_commit"])
async def test_a_firm_whose_making_got_no_answer_is_looked_for_and_not_made_twice(desk: OpenDesk, fault: str) -> None:
    async with desk(KEYS, contract=CARRIED) as at:
        await at.fault(fault, ("POST", "api/firm$"), **({"seconds": 0.8} if fault == "late_commit" else {}))
        assert await of_buyer(at, new_buyer(at)) == []
        assert len(await ours(at)) == 1
        assert await at.batches() == ["IN-WC01-1001"]


@pytest.mark.parametrize("form", ["name", "code"])
async def test_a_country_is_spelled_as_the_connection_says(desk: OpenDesk, form: str) -> None:
    """Where the tenant refuses the spelling, the firm stands without address and the order is posted all the same."""
    async with desk({**KEYS, "country_form": form}, contract=CARRIED, countries={"US": "United States"}) as at:
        assert await of_buyer(at, new_buyer(at)) == []
        (firm,) = await ours(at)
        truth = await at.truth()
        addresses = [one["Country"] for one in truth["addresses"] if one["ClientID"] == firm["ClientID"]]
        contacts = [one for one in truth["contacts"] if one["ClientID"] == firm["ClientID"]]
        assert (addresses, len(contacts)) == (["United States"] if form == "name" else [], 1)


@pytest.mark.parametrize(
    ("erp", "contract"), [({}, {}), ({}, CARRIED)], ids=["not enabled", "enabled, but not in the tenant"]
)
async def test_no_firm_is_made_where_it_could_not_carry_our_key(
    desk: OpenDesk, erp: dict[str, Any], contract: dict[str, Any]
) -> None:
    async with desk(erp, contract=contract) as at:
        before = len((await at.truth())["firms"])
        party = new_buyer(at, match=("email",))
        assert await of_buyer(at, party) == [HoldReason.PARTY_MISSING]
        assert len((await at.truth())["firms"]) == before
        assert await at.batches() == []


async def test_a_firm_with_our_key_is_taken_and_its_project_billed(desk: OpenDesk) -> None:
    async with desk(KEYS, contract=CARRIED) as at:
        party = at.buyer("42", match=("external_key",), create=True, name="Another name")
        await at.post(at.wanted(1, at.invoice(party=party, placement=BY_FIRM)))
        assert await at.open_amount(project="STORE.B2B01") == 108
        assert [firm["Name"] for firm in await ours(at, "WC01:42")] == [NORTHWIND]


async def test_a_firm_is_found_by_the_e_mail_of_a_contact_whatever_its_letter_case(desk: OpenDesk) -> None:
    async with desk() as at:
        firm = await at.tell("firms", Name="Byron & Co")
        await at.tell("projects", WBS1="STORE.BYRON", BillingClientID=firm["ClientID"])
        await contact(at, firm, "Ada@Example.com")
        party = new_buyer(at, match=("email",), create=False)
        await at.post(at.wanted(1, at.invoice(party=party, placement=BY_FIRM)))
        assert await at.open_amount(project="STORE.BYRON") == 108


async def test_two_firms_with_a_contact_of_one_e_mail_are_held(desk: OpenDesk) -> None:
    async with desk() as at:
        for _ in range(2):
            firm = await at.tell("firms", Name="Byron & Co")
            await contact(at, firm, "ada@example.com")
        assert await of_buyer(at, new_buyer(at, match=("email",))) == [HoldReason.FIRM_AMBIGUOUS]


async def test_firms_of_the_buyers_name_are_never_taken_for_the_buyer(desk: OpenDesk) -> None:
    async with desk() as at:
        for _ in range(2):
            await at.tell("firms", Name="Ada Lovelace")
        assert await of_buyer(at, new_buyer(at, create=False)) == [HoldReason.PARTY_MISSING]


async def test_a_namesake_is_left_alone_and_a_firm_of_the_buyers_own_is_made(desk: OpenDesk) -> None:
    async with desk(KEYS, contract=CARRIED) as at:
        namesake = await at.tell("firms", Name="Ada Lovelace")
        assert await of_buyer(at, new_buyer(at)) == []
        (firm,) = await ours(at)
        assert firm["ClientID"] != namesake["ClientID"]
        assert len([one for one in (await at.truth())["firms"] if one["Name"] == "Ada Lovelace"]) == 2


async def test_two_firms_with_our_key_are_held(desk: OpenDesk) -> None:
    async with desk(KEYS, contract=CARRIED) as at:
        await at.tell("firms", Name=NAMESAKE, custMLKey="WC01:42")
        assert await of_buyer(at, at.buyer("42", match=("external_key",))) == [HoldReason.FIRM_AMBIGUOUS]
