"""The one resilient HTTP client of the project; see ``client.py`` for its rules."""

from mlc_common.http.addresses import AddressRefusedError, check_address
from mlc_common.http.answer import HttpAnswer
from mlc_common.http.breaker import BreakerState, CircuitBreaker
from mlc_common.http.client import HttpClient, server_fault
from mlc_common.http.errors import AnswerTooLarge, CircuitOpen, Unreachable, UntrustedCertificate
from mlc_common.http.observer import HttpObserver, SilentObserver
from mlc_common.http.policy import HttpPolicy
from mlc_common.http.single_flight import SingleFlight

__all__ = [
    "AddressRefusedError",
    "AnswerTooLarge",
    "BreakerState",
    "CircuitBreaker",
    "CircuitOpen",
    "HttpAnswer",
    "HttpClient",
    "HttpObserver",
    "HttpPolicy",
    "SilentObserver",
    "SingleFlight",
    "Unreachable",
    "UntrustedCertificate",
    "check_address",
    "server_fault",
]
