"""What the mapper reads from the environment."""

from __future__ import annotations

from pydantic import Field

from mlc_common.settings import CommonSettings


class MapperSettings(CommonSettings):
    """Settings of the mapper; times in seconds."""

    mapper_lease_seconds: float = Field(
        default=30.0,
        ge=1,
        description="seconds after which another mapper goes on with the replay of one that has died, 30 by custom",
    )
