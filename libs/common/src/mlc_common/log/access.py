"""The arguments of every Kafka client that have to do with where the brokers are and how to sign in there.

The only place that makes them: what is made without would work on a broker without a sign-in, and on no other; and its
connections would not be those of ``connections``.
"""

from __future__ import annotations

from typing import Any

from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from mlc_common.brokers import access_of
from mlc_common.log import connections

connections.install()

_SASL = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}


def client_options(brokers: str) -> dict[str, Any]:
    """For a client of aiokafka: ``AIOKafkaProducer(**client_options(brokers), …)``.

    Raises:
        ConfigurationError: the file of certificates cannot be used.
    """
    access = access_of(brokers)
    options: dict[str, Any] = {"bootstrap_servers": str(brokers), "security_protocol": access.protocol}
    if access.encrypted:
        options["ssl_context"] = access.tls
    if access.signs_in:
        options |= {
            "sasl_mechanism": access.mechanism,
            "sasl_plain_username": access.user,
            "sasl_plain_password": access.password.get_secret_value(),
        }
    return options


def broker_security(brokers: str) -> BaseSecurity | None:
    """For a broker of FastStream: ``KafkaBroker(brokers, security=broker_security(brokers), …)``.

    Raises:
        ConfigurationError: the file of certificates cannot be used.
    """
    access = access_of(brokers)
    if access.signs_in:
        return _SASL[access.mechanism](
            username=access.user,
            password=access.password.get_secret_value(),
            use_ssl=access.encrypted,
            ssl_context=access.tls,
        )
    return BaseSecurity(ssl_context=access.tls, use_ssl=True) if access.encrypted else None
