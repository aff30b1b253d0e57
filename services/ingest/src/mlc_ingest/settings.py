"""What ingest reads from the environment: addresses, limits and time limits, each with a default that is safe.

The limits follow the design (reliability, security points): 2 MiB bodies, slow bodies cut off. The store gives up after
60 s and its queue is serial, so everything here answers long before that (WooCommerce facts §16).
"""

from __future__ import annotations

from pydantic import Field

from mlc_common.events import MESSAGE_LIMIT
from mlc_common.settings import CommonSettings

MIB = 1024 * 1024


class IngestSettings(CommonSettings):
    """Settings of the webhook gateway."""

    ingest_host: str = Field(
        default="127.0.0.1", min_length=1, description="the address to listen on, 0.0.0.0 in a container"
    )
    ingest_port: int = Field(default=8080, ge=0, le=65535, description="a free port for webhooks; 0 = any")
    ingest_body_limit: int = Field(
        default=2 * MIB, ge=1024, le=MESSAGE_LIMIT, description="the largest webhook body in bytes, at most 8 MiB"
    )
    ingest_body_seconds: float = Field(
        default=10.0, gt=0, le=60, description="seconds that a request may take to arrive"
    )
    ingest_publish_seconds: float = Field(
        default=8.0, gt=0, le=50, description="seconds to wait for the log before 503; stores give up after 60"
    )
    ingest_refusals_seconds: float = Field(
        default=10.0, gt=0, le=3600, description="seconds of refused requests that make one audit event"
    )
    ingest_connections: int = Field(
        default=1000, ge=1, description="how many connections may be open at once; further ones get 503"
    )
    ingest_memory: int = Field(
        default=64 * MIB, ge=MIB, description="bytes of bodies held at once; further ones get 503"
    )
