"""Where a connection may lead: checked on the address really connected to."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from mlc_common.errors import ConfigurationError
from mlc_common.http import AddressRefusedError, check_address


class Names(AbstractResolver):
    """Answers with the addresses it was given; one list per look-up, the last repeats."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            {"hostname": host, "host": address, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
            for address in addresses
        ]

    async def close(self) -> None:
        pass


PRIVATE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.1.1", "100.64.0.1", "198.18.0.1",
    "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
]  # fmt: skip
NEVER = [
    "169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "169.254.170.2",
    "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "0.0.0.0", "::", "224.0.0.1", "ff02::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_needs_permission(address: str) -> None:
    with pytest.raises(AddressRefusedError):
        check_address(address, allow_private=False)
    check_address(address, allow_private=True)


@pytest.mark.parametrize("address", NEVER)
@pytest.mark.parametrize("allow_private", [False, True])
def test_a_metadata_address_is_never_allowed(address: str, allow_private: bool) -> None:
    with pytest.raises(AddressRefusedError):
        check_address(address, allow_private=allow_private)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:8.8.8.8"])
def test_a_public_address_is_allowed(address: str) -> None:
    check_address(address, allow_private=False)


async def test_a_literal_private_address_is_refused_before_anything_is_sent(server: Any, make_client: Any) -> None:
    with pytest.raises(ConfigurationError, match="not a public address"):
        await make_client(allow_private=False).request("POST", f"{server.url}/", content=b"{}")
    assert server.connections == 0


async def test_a_literal_metadata_address_is_refused_even_where_private_ones_are_allowed(make_client: Any) -> None:
    with pytest.raises(ConfigurationError, match="never allowed"):
        await make_client().request("GET", "http://169.254.169.254/latest/meta-data/")


async def test_a_name_that_leads_to_a_private_address_is_refused(server: Any, make_client: Any) -> None:
    client = make_client(allow_private=False, client_options={"resolver": Names(["127.0.0.1"])})
    with pytest.raises(ConfigurationError, match=r"erp\.example may not be connected to"):
        await client.request("POST", f"http://erp.example:{server.port}/", content=b"{}")
    assert server.connections == 0


async def test_a_name_with_one_private_address_among_public_ones_is_refused(make_client: Any) -> None:
    client = make_client(allow_private=False, client_options={"resolver": Names(["93.184.215.14", "10.0.0.1"])})
    with pytest.raises(ConfigurationError, match=r"10\.0\.0\.1"):
        await client.request("GET", "http://erp.example/")


async def test_a_name_that_changes_its_address_after_the_check_is_not_followed(
    server: Any, script: Any, make_client: Any
) -> None:
    """The checked address is the connected one: one look-up, and the next connection is checked again."""
    names = Names(["127.0.0.1"], ["169.254.169.254"])
    client = make_client(client_options={"resolver": names})
    await client.request("GET", f"http://erp.example:{server.port}/")
    assert (len(server.seen), names.asked, server.seen[0].headers["host"]) == (1, 1, f"erp.example:{server.port}")
    with pytest.raises(ConfigurationError):
        await client.request("GET", "http://other.example/")


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0x7f000001", "0177.0.0.1"])
async def test_an_odd_spelling_of_a_private_address_is_refused(server: Any, make_client: Any, host: str) -> None:
    with pytest.raises(ConfigurationError):
        await make_client(allow_private=False, max_attempts=1).request("GET", f"http://{host}:{server.port}/")
    assert server.connections == 0
