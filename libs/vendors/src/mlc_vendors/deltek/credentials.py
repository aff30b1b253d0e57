"""What a connection to Vantagepoint needs to sign in. Secrets never appear in repr or errors (§4)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, SecretStr


class DeltekCredentials(BaseModel):
    """The API user and the client registered on Utilities > Integrations > API Authorization.

    Attributes:
        username: A named API user, one per company where there are several companies.
        password: Its password; when it is rotated there, it must be rotated here.
        database: Login database name, shown with the client id; required.
        client_id: Client id.
        client_secret: Client secret.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    username: str
    password: SecretStr
    database: str
    client_id: str
    client_secret: SecretStr
