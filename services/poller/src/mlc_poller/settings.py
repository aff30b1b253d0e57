"""What the poller reads from the environment."""

from __future__ import annotations

from pydantic import Field

from mlc_common.settings import CommonSettings


class PollerSettings(CommonSettings):
    """Settings of the poller; all times in seconds."""

    public_url: str = Field(
        default="",
        description="where stores reach the webhook gateway, for example https://hooks.example.com; empty = the one in "
        "this process",
    )
    poller_interval_seconds: float = Field(default=60.0, gt=0, description="seconds between two polls of a store")
    poller_sweep_seconds: float = Field(
        default=3600.0, gt=0, description="seconds between two sweeps of the last days (what changes without a trace)"
    )
    poller_sweep_days: float = Field(default=14.0, gt=0, description="how many days a sweep goes back")
    poller_webhook_seconds: float = Field(
        default=300.0, gt=0, description="seconds between two looks at the webhooks of a store"
    )
    poller_lease_seconds: float = Field(
        default=30.0, ge=1, description="how long after a poller has died another one may take its stores over"
    )
    poller_overlap_seconds: float = Field(
        default=180.0, ge=1, description="how far before the last poll's end the next one begins"
    )
