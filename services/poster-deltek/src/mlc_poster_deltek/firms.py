"""The firm of a buyer: found by our key or by a contact's e-mail, never by name; made only where it can carry our key.

Firms' names are not unique (facts §7), so a firm that cannot be found again by a key of ours would be made again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence

import structlog

from mlc_common.accounting import Address, Party
from mlc_common.errors import ConfigurationError, Rejected, Retryable, Unconfirmed
from mlc_poster_deltek.refusals import as_holds
from mlc_vendors.deltek import DeltekClient, NewAddress, NewContact, NewFirm, UnknownShape

_log = structlog.get_logger(__name__)


class Firms:
    """Finds and makes firms of one tenant.

    Args:
        client: The tenant's client.
        countries: ISO country code → how the tenant's master list spells it (tenants differ); others as they are.
    """

    def __init__(self, client: DeltekClient, countries: Mapping[str, str]) -> None:
        self._client = client
        self._countries = countries
        self._carries_our_key = False

    async def find(self, party: Party) -> Sequence[str]:
        """ClientIDs of the firms that are this party: the one with our key, else those with a contact of its e-mail."""
        with as_holds():
            if "external_key" in party.match and self._client.contract.fields.firm_external_key.enabled:
                firm = await self._client.find_firm_by_external_key(party.external_key)
                if firm is not None:
                    return [firm.client_id]
            if "email" in party.match and party.email:
                return await self._client.firms_of_contact(party.email)
        return []

    async def can_create(self) -> bool:
        """Whether firms can carry and be found by our key: enabled in the contract, and there in the metadata."""
        column = self._client.contract.fields.firm_external_key
        if not column.enabled:
            return False
        if not self._carries_our_key:  # a column that is missing may be added: asked again next time
            with as_holds():
                try:
                    self._carries_our_key = column.name in await self._client.field_names("firm")
                except UnknownShape:  # how metadata spell their fields is unverified (facts §7): then a look decides
                    self._carries_our_key = await self._can_be_looked_for()
        return self._carries_our_key

    async def create(self, party: Party) -> str:
        """Make the firm with our key; its ClientID. Address and contact are a service: without them it is still one.

        Raises:
            Held: refused.
            Unconfirmed: it may be there; look for our key.
        """
        with as_holds():
            firm = await self._client.create_firm(NewFirm(name=party.name, external_key=party.external_key))
        if party.billing != Address():
            address = self._client.ensure_address(firm.client_id, self._address(party))
            await self._also(firm.client_id, "address", address)
        await self._also(firm.client_id, "contact", self._client.ensure_contact(firm.client_id, _contact(party)))
        return firm.client_id

    async def _can_be_looked_for(self) -> bool:
        """A tenant without the column ignores the filter, and the client refuses the rows that come unfiltered."""
        try:
            await self._client.find_firm_by_external_key("no firm has this key")
        except ConfigurationError:
            return False
        return True

    async def _also(self, firm: str, what: str, adding: Awaitable[bool]) -> None:
        try:
            await adding
        except (Rejected, Retryable, Unconfirmed, ConfigurationError) as error:
            _log.warning("deltek.firm_incomplete", firm=firm, without=what, error=type(error).__name__)

    def _address(self, party: Party) -> NewAddress:
        at = party.billing
        return NewAddress(
            label="Billing",
            address1=at.line1,
            address2=at.line2,
            city=at.city,
            state=at.state,
            postcode=at.postcode,
            country=self._countries.get(at.country, at.country),
        )


def _contact(party: Party) -> NewContact:
    return NewContact(
        last_name=party.last_name or party.name, first_name=party.first_name, email=party.email, phone=party.phone
    )
