"""Where the log is, and how to sign in there: one value that travels wherever the address does.

Pure, but for the file of certificates. Every client of Kafka is made with what ``mlc_common.log.access`` makes of it
(a house rule). Never: the password in repr, logs or errors.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from pydantic import SecretStr

from mlc_common.errors import ConfigurationError

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True)
class Access:
    """How to sign in at the brokers.

    Attributes:
        protocol: TLS or not, sign in or not, in Kafka's own words.
        mechanism: How user and password are told, where there is a sign-in.
        ca_file: Certificates to trust instead of the system's, PEM.
    """

    protocol: Protocol = "PLAINTEXT"
    mechanism: Mechanism = "SCRAM-SHA-512"
    user: str = ""
    password: SecretStr = field(default_factory=lambda: SecretStr(""))
    ca_file: Path | None = None

    @property
    def encrypted(self) -> bool:
        """Whether TLS is spoken."""
        return self.protocol.endswith("SSL")

    @property
    def signs_in(self) -> bool:
        """Whether user and password are told."""
        return self.protocol.startswith("SASL")

    @cached_property
    def tls(self) -> ssl.SSLContext | None:
        """What is trusted; None without TLS.

        Raises:
            ConfigurationError: the file of certificates cannot be used.
        """
        if not self.encrypted:
            return None
        try:
            return ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)
        except (OSError, ssl.SSLError) as error:
            why = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
            raise ConfigurationError(
                f"MLC_KAFKA_CA_FILE: {self.ca_file} cannot be used ({why}); name a PEM file with the certificates of "
                "the authority that signed those of the brokers"
            ) from None


class Brokers(str):
    """``host:port[,host:port]``; a text like any other, that knows how to sign in there.

    A text, because addresses are: who needs no more than to pass it on need not know that there is a password to it.
    """

    access: Access

    def __new__(cls, servers: str, access: Access | None = None) -> Self:
        made = super().__new__(cls, servers)
        made.access = access or Access()
        return made


def access_of(servers: str) -> Access:
    """How to sign in at these brokers; a bare address is one without a sign-in."""
    return servers.access if isinstance(servers, Brokers) else Access()
