"""What the HTTP reader must withstand: heads without end, slow heads, too many connections; and a clean end."""

from __future__ import annotations

import asyncio

import pytest

from mlc_ingest import server

from .conftest import Start
from .stand_ins import OnMemory, signed

ORDER = b'{"id":727}'


async def test_a_head_without_end_is_cut_off(gateway: OnMemory) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"POST /hooks/shop HTTP/1.1\r\nX-Long: ")
    sent = 0
    try:
        while sent < 100 * server.HEAD_LIMIT:
            writer.write(b"a" * 65_536)
            await writer.drain()
            sent += 65_536
            await asyncio.sleep(0)
        answer = await reader.read()
    except ConnectionError:
        answer = b""
    assert sent < 100 * server.HEAD_LIMIT or answer.startswith(b"HTTP/1.1 400")
    writer.close()
    assert (await gateway.client.post("/hooks/shop", content=ORDER, headers=signed(ORDER))).status_code == 200


async def test_a_large_head_that_ends_in_time_passes(gateway: OnMemory) -> None:
    headers = signed(ORDER) | {f"X-More-{number}": "x" * 1000 for number in range(30)}
    assert (await gateway.client.post("/hooks/shop", content=ORDER, headers=headers)).status_code == 200


@pytest.mark.parametrize("start", [b"", b"POST /hooks/shop HTTP/1.1\r\nHost: x\r\n"])
async def test_a_head_that_does_not_come_is_not_waited_for(
    gateway: OnMemory, start: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.1)
    assert await gateway.raw(start) == b""


async def test_a_connection_that_is_kept_gets_a_time_limit_for_every_head(
    gateway: OnMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.1)
    ping = b"webhook_id=1"
    whole = (
        b"POST /hooks/shop HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(ping), ping)
    )
    answers = await gateway.raw(whole + whole + b"POST /hooks/")
    assert answers.count(b"HTTP/1.1 200") == 2


async def test_what_is_no_http_is_400(gateway: OnMemory) -> None:
    for noise in (
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"hello\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\n\r\n",
    ):
        assert (await gateway.raw(noise)).startswith(b"HTTP/1.1 400")


async def test_more_connections_than_allowed_are_503(on_memory: Start) -> None:
    async with on_memory(connections=2) as gateway:
        idle = [await asyncio.open_connection("127.0.0.1", gateway.port) for _ in range(3)]
        while (await gateway.client.get("/healthz")).status_code != 503:
            await asyncio.sleep(0.01)
        for _, writer in idle:
            writer.close()
        while (await gateway.client.get("/healthz")).status_code != 200:
            await asyncio.sleep(0.01)


async def test_what_is_in_work_is_answered_before_the_server_ends(on_memory: Start) -> None:
    async with on_memory() as gateway:
        gateway.log.gate = asyncio.Event()
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        lines = [f"{name}: {value}" for name, value in signed(ORDER).items()]
        request = "\r\n".join(["POST /hooks/shop HTTP/1.1", "Host: x", f"Content-Length: {len(ORDER)}", *lines])
        writer.write(request.encode() + b"\r\n\r\n" + ORDER)
        await gateway.log.entered.wait()
        asyncio.get_running_loop().call_later(0.3, gateway.log.gate.set)
    assert (await reader.read()).startswith(b"HTTP/1.1 200")
    assert len(gateway.log.appended) == 1
    writer.close()
