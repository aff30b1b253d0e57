"""What the reconciler reads from the environment."""

from __future__ import annotations

from datetime import time

from pydantic import Field

from mlc_common.settings import CommonSettings


class ReconcilerSettings(CommonSettings):
    """Settings of the reconciler."""

    reconciler_at: time = Field(
        default=time(4, 0), description="when the daily comparison begins, in the store's own time, for example 04:00"
    )
    reconciler_days: int = Field(default=7, ge=1, le=366, description="how many days back the daily comparison goes")
    reconciler_patience_minutes: float = Field(
        default=15.0, ge=0, description="how many minutes an order may normally be on its way to the ERP"
    )
    reconciler_retry_seconds: float = Field(
        default=300.0, gt=0, description="how many seconds after a comparison that failed the next one begins"
    )
    reconciler_lease_seconds: float = Field(
        default=60.0, ge=1, description="how long after a reconciler has died another one may take its flow over"
    )
