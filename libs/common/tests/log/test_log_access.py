"""Every client of the log signs in as the settings say: their arguments, and a broker that lets nobody else in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from faststream.kafka.security import parse_security
from pydantic import SecretStr

from mlc_common.brokers import Access, Brokers, Mechanism, Protocol
from mlc_common.clock import SystemClock
from mlc_common.errors import ConfigurationError, ServerUnreachable
from mlc_common.log import LogProducer, Record, ensure_topics, read_topic
from mlc_common.log.access import broker_security, client_options
from mlc_common.log.consumer import LogConsumer
from mlc_localstack import KafkaServer, Listener

from .conftest import event

PASSWORD = "planted-password-of-the-broker"


def certificate(folder: Path) -> tuple[Path, Path]:
    """Makes a certificate for 127.0.0.1 that signs itself; the file for clients, and the one with the key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public, private = folder / "ca.pem", folder / "broker.pem"
    public.write_bytes(pem)
    private.write_bytes(secret + pem)
    return public, private


def access(protocol: Protocol, mechanism: Mechanism = "PLAIN", ca_file: Path | None = None) -> Access:
    return Access(protocol, mechanism, "mlc", SecretStr(PASSWORD), ca_file)


def test_a_bare_address_is_one_without_a_sign_in() -> None:
    assert client_options("kafka:9092") == {"bootstrap_servers": "kafka:9092", "security_protocol": "PLAINTEXT"}
    assert broker_security("kafka:9092") is None


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("protocol", ["SSL", "SASL_PLAINTEXT", "SASL_SSL"])
def test_both_libraries_are_told_the_same(protocol: Protocol, mechanism: Mechanism, tmp_path: Path) -> None:
    ca_file, _ = certificate(tmp_path)
    brokers = Brokers("kafka:9093", access(protocol, mechanism, ca_file))
    ours = client_options(brokers)
    assert ours.pop("bootstrap_servers") == "kafka:9093"
    assert {name: value for name, value in parse_security(broker_security(brokers)).items() if value} == ours
    assert ours["security_protocol"] == protocol
    assert ("ssl_context" in ours) == protocol.endswith("SSL")
    signed_in = (ours.get("sasl_mechanism"), ours.get("sasl_plain_username"), ours.get("sasl_plain_password"))
    assert signed_in == ((mechanism, "mlc", PASSWORD) if protocol.startswith("SASL") else (None, None, None))


def test_the_password_is_in_no_text_of_the_address() -> None:
    brokers = Brokers("kafka:9093", access("SASL_SSL"))
    assert PASSWORD not in f"{brokers} {brokers!r} {brokers.access}"


@pytest.mark.parametrize("text", [None, "no certificate"], ids=["missing", "empty"])
def test_a_file_of_certificates_that_cannot_be_used_is_named(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigurationError, match=rf"MLC_KAFKA_CA_FILE: {path} cannot be used"):
        client_options(Brokers("kafka:9093", access("SASL_SSL", ca_file=path)))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KafkaServer, Path]]:
    """A broker that speaks TLS and asks for a password; the certificate to trust."""
    folder = tmp_path_factory.mktemp("guarded")
    ca_file, private = certificate(folder)
    login = "org.apache.kafka.common.security.plain.PlainLoginModule"
    properties = {
        "sasl.enabled.mechanisms": "PLAIN",
        "plain.sasl.jaas.config": f'{login} required user_mlc="{PASSWORD}";',
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(private),
    }
    server = KafkaServer(folder / "kafka", further=Listener("SASL_SSL", properties))
    server.start()
    yield server, ca_file
    server.destroy()


class Seen:
    """A handler that reads one record and says so."""

    def __init__(self) -> None:
        self.record: asyncio.Future[Record] = asyncio.get_running_loop().create_future()

    async def position(self, topic: str, partition: int) -> int:
        return 0

    async def assigned(self, partitions: Sequence[tuple[str, int]]) -> None:
        return

    async def handle(self, topic: str, partition: int, records: Sequence[Record]) -> None:
        if not self.record.done():
            self.record.set_result(records[0])


@pytest.mark.kafka
async def test_every_client_signs_in_over_tls(guarded: tuple[KafkaServer, Path]) -> None:
    server, ca_file = guarded
    brokers, topic, seen = Brokers(server.signed_in_servers, access("SASL_SSL", ca_file=ca_file)), "t.guarded", Seen()
    await ensure_topics(brokers, [topic], partitions=1)
    async with LogProducer(brokers, client_id="test") as producer:
        await producer.publish(topic, event("one"))
    assert [record.envelope().id async for record in read_topic(brokers, topic)] == [event("one").id]
    reading = asyncio.create_task(
        LogConsumer(brokers, [topic], group="t.guarded", handler=seen, clock=SystemClock()).run()
    )
    assert (await asyncio.wait_for(seen.record, 20)).envelope().id == event("one").id
    reading.cancel()
    await asyncio.wait({reading})


@pytest.mark.kafka
async def test_whom_the_broker_does_not_let_in_is_told_what_to_check(
    guarded: tuple[KafkaServer, Path], tmp_path: Path
) -> None:
    server, ca_file = guarded
    other, _ = certificate(tmp_path)
    wrong = Access("SASL_SSL", "PLAIN", "mlc", SecretStr("planted-wrong-password"), ca_file)
    for way in (wrong, access("SASL_SSL", ca_file=other)):
        with pytest.raises(
            ServerUnreachable, match=r"no broker answers there or lets us in.*MLC_KAFKA_PASSWORD"
        ) as said:
            await ensure_topics(Brokers(server.signed_in_servers, way), ["t.nothing"])
        assert "planted" not in str(said.value)
