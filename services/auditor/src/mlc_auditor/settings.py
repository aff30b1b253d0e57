"""What the auditor reads from the environment."""

from __future__ import annotations

from pydantic import Field

from mlc_common.settings import CommonSettings


class AuditorSettings(CommonSettings):
    """Settings of the auditor; times in seconds."""

    auditor_checkpoint_seconds: float = Field(
        default=60.0, gt=0, description="seconds between two signed checkpoints of the audit index, 60 by custom"
    )
