"""What the poster reads from the environment."""

from __future__ import annotations

from pydantic import Field

from mlc_common.settings import CommonSettings


class PosterSettings(CommonSettings):
    """Settings of the poster."""

    poster_connections: str = Field(
        default="",
        pattern=r"^[a-z0-9_, -]*$",
        description="the ERP connections that this process serves, separated by commas; empty = all",
    )

    def serves(self, connection: str) -> bool:
        """Whether this process posts for a connection."""
        named = {name.strip() for name in self.poster_connections.split(",") if name.strip()}
        return not named or connection in named
