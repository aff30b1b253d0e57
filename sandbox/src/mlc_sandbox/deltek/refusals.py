"""Every refusal the tenant can give, in the sentences of facts sheet §6, §9 and its table of assumptions.

A refusal never changes state. The status of business refusals comes from the setting `refusal_status`, because real
servers were seen to use both 400 and 500 for the same sentence.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class Refusal(Exception):  # noqa: N818 - an answer to the caller, not a fault of the server
    """The answer to a call that is refused.

    Args:
        message: the sentence a client sees.
        status: the HTTP status; None = the tenant's `refusal_status`.
        detail: the second field of the body; None leaves it out.
    """

    def __init__(self, message: str, *, status: int | None = None, detail: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.detail = detail

    def body(self) -> dict[str, Any]:
        """The JSON body, with `detail` only where the real server was seen to send one."""
        if self.detail is None:
            return {"message": self.message}
        return {"message": self.message, "detail": self.detail}


def same_detail(message: str) -> Refusal:
    """A business refusal whose detail repeats its message."""
    return Refusal(message, detail=message)


def joined(problems: Iterable[str]) -> Refusal:
    """Several problems come as one sentence, glued by an HTML line break."""
    return Refusal("<BR/>".join(problems))


def denied() -> Refusal:
    """No token, or one that is unknown, expired or revoked."""
    return Refusal("Authorization has been denied for this request.", status=401)


def no_rights() -> Refusal:
    """The user's role lacks the application."""
    return Refusal("You do not have access rights to this application.", status=403)


def absent(what: str, key: str) -> Refusal:
    """No record of that key."""
    return Refusal("Record not found", status=404, detail=f"{what} {key}")


def no_resource() -> Refusal:
    """No such path under this root."""
    return Refusal("No HTTP resource was found that matches the request.", status=404)


def wrong_method(method: str) -> Refusal:
    """The path exists, not with this method."""
    return Refusal(f"The requested resource does not support http method '{method}'.", status=405)


def wrong_media_type(media_type: str) -> Refusal:
    """A write whose body is not declared as JSON."""
    return Refusal(f"The request entity's media type '{media_type}' is not supported for this resource.", status=415)


def unreadable() -> Refusal:
    """A body that is not a JSON object."""
    return Refusal("The request is invalid.", status=400)


def throttled() -> Refusal:
    """Too many calls; the caller adds Retry-After."""
    return Refusal("Too many requests.", status=429)


def server_fault() -> Refusal:
    """The answer that says nothing, as to `limit` on ledger and entry lists."""
    return Refusal("An error has occurred.", status=500)


def null_reference() -> Refusal:
    """A required relation is missing; trying again cannot help."""
    return Refusal("Object reference not set to an instance of an object.", status=500)


def truncated(*, database: str, table: str, column: str, value: str, length: int) -> Refusal:
    """The database refuses a text that is too long for its column."""
    return Refusal(
        f"String or binary data would be truncated in table '{database}.dbo.{table}', column '{column}'. "
        f"Truncated value: '{value[:length]}'. The statement has been terminated.",
        status=500,
    )


def unknown_field(name: str) -> str:
    """The sentence for a field that the entity does not have."""
    return f"Field {name} does not exist"


def missing_column(name: str) -> str:
    """The sentence for a mandatory key that was left out: the opposite meaning in nearly the same words."""
    return f"Column:{name} does not exist"


def please_provide(label: str, table: str) -> str:
    """The sentence for a mandatory value that is blank."""
    return f"Please provide a {label} for table {table}"


def duplicate(key: str) -> Refusal:
    """A record of that key is there already: the only seen hard guard against doubles."""
    return same_detail(f"Record {key} already exists and cannot be added.")


def posted_already(key: str, verb: str) -> Refusal:
    """A posted transaction can be neither changed nor deleted."""
    return same_detail(f"Record {key} is posted and cannot be {verb}.")


def period_closed(period: int) -> str:
    """The sentence for a closed period, at create or at post."""
    return f"Period {period} is closed."


def project_not_active(project: str) -> str:
    """The sentence for an inactive or dormant project, at create or at post."""
    return f"Project {project} is not active."
