"""Budgets: concurrency, rate, size, and what a URL may be."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mlc_common.clock import FixedClock, SystemClock
from mlc_common.errors import ConfigurationError, Retryable, Unconfirmed
from mlc_common.http import AnswerTooLarge, HttpPolicy


async def test_a_burst_goes_at_once_and_then_the_rate_applies(server: Any, make_client: Any, clock: FixedClock) -> None:
    client = make_client(rate_per_s=2, burst=3)
    moments = []
    for _ in range(6):
        await client.request("GET", f"{server.url}/x")
        moments.append(clock.monotonic())
    assert moments == [0, 0, 0, 0.5, 1.0, 1.5]


async def test_no_more_requests_run_at_once_than_allowed(server: Any, script: Any, make_client: Any) -> None:
    release, running, most = asyncio.Event(), 0, 0

    async def slow(served: Any, reader: Any, writer: Any) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await release.wait()
        running -= 1
        await script.answer()(served, reader, writer)

    server.play(slow)
    client = make_client(max_concurrent=2)
    requests = [asyncio.create_task(client.request("GET", f"{server.url}/x")) for _ in range(5)]
    while running < 2:
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.05)  # time for a third one to slip in, were it allowed to
    release.set()
    await asyncio.gather(*requests)
    assert (most, len(server.seen)) == (2, 5)


async def test_a_request_that_finds_no_place_in_time_is_retryable(server: Any, script: Any, make_client: Any) -> None:
    server.play(script.hang)
    client = make_client(max_concurrent=1, queue_timeout_s=0.1)
    first = asyncio.create_task(client.request("GET", f"{server.url}/x"))
    await server.hanging.wait()
    with pytest.raises(Retryable, match="no free place"):
        await client.request("POST", f"{server.url}/x")
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert len(server.seen) == 1


async def test_a_cancelled_request_gives_its_place_back(server: Any, script: Any, make_client: Any) -> None:
    server.play(script.hang, script.answer())
    client = make_client(max_concurrent=1)
    first = asyncio.create_task(client.request("GET", f"{server.url}/x"))
    await server.hanging.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (await client.request("GET", f"{server.url}/x")).status == 200


async def test_a_cancelled_probe_lets_the_next_one_through(
    server: Any, script: Any, make_client: Any, clock: FixedClock
) -> None:
    server.play(script.answer(503), script.hang, script.answer(200))
    client = make_client(max_attempts=1, breaker_failures=1, breaker_open_s=30)
    await client.request("GET", f"{server.url}/x")
    clock.advance(30)
    probe = asyncio.create_task(client.request("GET", f"{server.url}/x"))
    await server.hanging.wait()
    with pytest.raises(Retryable):  # one probe at a time
        await client.request("GET", f"{server.url}/x")
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    assert (await client.request("GET", f"{server.url}/x")).status == 200
    assert client.breaker.state == "closed"


@pytest.mark.parametrize("encoded", [False, True])
async def test_an_answer_above_the_size_limit_is_refused_also_when_it_was_compressed(
    server: Any, script: Any, make_client: Any, encoded: bool
) -> None:
    body = b"x" * 200_000
    step = script.answer(200, gzip.compress(body), Content_Encoding="gzip") if encoded else script.answer(200, body)
    server.play(step)
    with pytest.raises(AnswerTooLarge):
        await make_client(max_response_bytes=100_000).request("GET", f"{server.url}/x")
    assert len(server.seen) == 1


async def test_a_write_whose_answer_is_too_large_is_unconfirmed(server: Any, script: Any, make_client: Any) -> None:
    server.play(script.answer(200, b"x" * 2000))
    with pytest.raises(Unconfirmed):
        await make_client(max_response_bytes=1000).request("POST", f"{server.url}/x")


async def test_a_compressed_answer_is_read_and_one_at_the_limit_passes(
    server: Any, script: Any, make_client: Any
) -> None:
    server.play(script.answer(200, gzip.compress(b"x" * 1000), Content_Encoding="gzip"))
    answer = await make_client(max_response_bytes=1000).request("GET", f"{server.url}/x")
    assert answer.content == b"x" * 1000


async def test_an_answer_that_lies_about_its_encoding_is_no_answer(server: Any, script: Any, make_client: Any) -> None:
    server.play(script.answer(200, b"plain", Content_Encoding="gzip"))
    with pytest.raises(Unconfirmed):
        await make_client().request("POST", f"{server.url}/x")


async def test_a_redirect_is_returned_and_not_followed(server: Any, script: Any, make_client: Any) -> None:
    server.play(script.answer(302, b"", Location="http://169.254.169.254/"), script.answer(200))
    answer = await make_client().request("GET", f"{server.url}/x")
    assert (answer.status, len(server.seen)) == (302, 1)


async def test_cookies_are_not_kept(server: Any, script: Any, make_client: Any) -> None:
    server.play(script.answer(200, b"{}", Set_Cookie="session=1; Path=/"))
    client = make_client()
    await client.request("GET", f"{server.url}/x")
    await client.request("GET", f"{server.url}/x")
    assert "cookie" not in server.seen[1].headers


async def test_proxies_of_the_environment_are_not_used(
    server: Any, make_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (await make_client().request("GET", f"{server.url}/x")).status == 200
    assert server.seen[0].target == "/x"


async def test_the_query_reaches_the_server_as_meant(server: Any, make_client: Any) -> None:
    params = [("filterHash[0][opp]", "="), ("filterHash[0][value]", "a b+c&d/é%"), ("s", "x"), ("s", "y")]
    await make_client().request("GET", f"{server.url}/one%7Ctwo/a%20b%2Fc?kept=1", params=params)
    path, _, query = server.seen[0].target.partition("?")
    assert path == "/one%7Ctwo/a%20b%2Fc"
    pairs = set(query.split("&"))
    assert {"kept=1", "filterHash%5B0%5D%5Bopp%5D=%3D", "filterHash%5B0%5D%5Bvalue%5D=a+b%2Bc%26d/%C3%A9%25"} < pairs
    assert {"s=x", "s=y"} < pairs


@pytest.mark.parametrize(
    ("url", "policy", "says"),
    [
        ("http://erp.example/", {"schemes": frozenset({"https"})}, "https://"),
        ("ftp://erp.example/", {}, "http"),
        ("https://user:s3cr3t@erp.example/", {}, "credentials"),
        ("https://erp.example:8443/", {"allowed_ports": frozenset({443})}, "port 8443"),
        ("http://erp.example/", {"allowed_ports": frozenset({443})}, "port 80"),
        ("https:///nohost", {}, "host"),
        ("https://erp.example:port/", {}, "not a URL"),
    ],
)
async def test_a_url_that_the_connection_may_not_use_is_refused(
    make_client: Any, url: Any, policy: Any, says: Any
) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        await make_client(**policy).request("GET", url)
    assert "s3cr3t" not in str(caught.value)


async def test_credentials_in_a_query_need_tls_except_on_this_machine(server: Any, make_client: Any) -> None:
    with pytest.raises(ConfigurationError, match="need https") as caught:
        await make_client().request("GET", "http://shop.example/", params={"secret": "s3cr3t"}, sensitive_query=True)
    assert "s3cr3t" not in str(caught.value)
    answer = await make_client().request("GET", f"{server.url}/", params={"secret": "s3cr3t"}, sensitive_query=True)
    assert answer.status == 200


async def test_a_header_with_a_line_break_is_refused_without_quoting_it(server: Any, make_client: Any) -> None:
    with pytest.raises(ConfigurationError, match="control character") as caught:
        await make_client().request("GET", f"{server.url}/", headers={"Authorization": "Bearer s3cr3t\r\nX: y"})
    assert "s3cr3t" not in str(caught.value)
    assert server.connections == 0


async def test_errors_and_logs_hold_no_query_body_or_header(
    server: Any, script: Any, make_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    server.play(script.cut)
    for method in ("GET", "POST"):
        with pytest.raises((Retryable, Unconfirmed)) as caught:
            await make_client(max_attempts=1).request(
                method,
                f"{server.url}/x?a=s3cr3t",
                params={"consumer_secret": "s3cr3t"},
                headers={"Authorization": "Bearer s3cr3t"},
                content=b"s3cr3t",
            )
        assert "s3cr3t" not in repr(caught.value) + str(caught.value)
        assert caught.value.__cause__ is None
    server.play(script.answer(200, b"s3cr3t"))
    answer = await make_client().request("GET", f"{server.url}/x?a=s3cr3t")
    assert "s3cr3t" not in repr(answer)
    assert "s3cr3t" not in caplog.text


def test_a_policy_that_lets_nothing_through_is_refused() -> None:
    with pytest.raises(ValueError, match="max_attempts"):
        HttpPolicy(max_attempts=0)
    with pytest.raises(ValueError, match="rate_per_s"):
        HttpPolicy(rate_per_s=0)


def _certificate(folder: Path, *, name: str) -> tuple[ssl.SSLContext, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    names: list[x509.GeneralName] = [x509.IPAddress(ip_address(name))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context, pem


async def test_a_certificate_that_nobody_vouches_for_is_refused_as_configuration(
    tmp_path: Path, script: Any, make_client: Any
) -> None:
    context, _ = _certificate(tmp_path, name="127.0.0.1")
    async with script.running(script.Server(), tls=context) as server:
        with pytest.raises(ConfigurationError, match="TLS certificate"):
            await make_client().request("POST", f"{server.url}/x", content=b"{}")
        assert server.seen == []


async def test_a_certificate_for_another_host_is_refused(tmp_path: Path, script: Any, make_client: Any) -> None:
    context, pem = _certificate(tmp_path, name="127.0.0.2")
    trust = ssl.create_default_context(cafile=str(pem))
    async with script.running(script.Server(), tls=context) as server:
        with pytest.raises(ConfigurationError, match="TLS certificate"):
            await make_client(client_options={"tls": trust}).request("GET", f"{server.url}/x")


async def test_a_certificate_that_is_trusted_passes(tmp_path: Path, script: Any, make_client: Any) -> None:
    context, pem = _certificate(tmp_path, name="127.0.0.1")
    trust = ssl.create_default_context(cafile=str(pem))
    async with script.running(script.Server(), tls=context) as server:
        client = make_client(client_options={"tls": trust, "clock": SystemClock()})
        assert (await client.request("GET", f"{server.url}/x")).status == 200
