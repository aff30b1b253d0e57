"""Refusals of the REST API: ``{"code", "message", "data"}`` with the odd shapes that WooCommerce has.

``data`` is usually an object with the status in it, but a bare number for some refund errors; then the HTTP status is
500 whatever the number says. Codes: facts sheet §5.
"""

from __future__ import annotations

from typing import Any


class Refusal(Exception):  # noqa: N818 - an answer, not a fault of the server
    """A request that is answered with an error.

    Args:
        status: The HTTP status.
        code: What clients match on.
        message: English, with HTML entities where WordPress has them.
        data: The whole ``data`` where it is not ``{"status": status, **more}``.
        more: Further keys beside the status in ``data``.
    """

    def __init__(self, status: int, code: str, message: str, *, data: Any = None, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.data: Any = {"status": status, **more} if data is None else data

    def body(self) -> dict[str, Any]:
        """The error object."""
        return {"code": self.code, "message": self.message, "data": self.data}


class BadParameter(Exception):  # noqa: N818
    """One parameter that does not fit its schema; several become one ``rest_invalid_param``."""

    def __init__(self, name: str, code: str, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.name = name
        self.code = code
        self.message = message
        self.data = data


def invalid_parameters(found: list[BadParameter]) -> Refusal:
    """The one refusal for all parameters that do not fit."""
    names = ", ".join(bad.name for bad in found)
    return Refusal(
        400,
        "rest_invalid_param",
        f"Invalid parameter(s): {names}",
        params={bad.name: bad.message for bad in found},
        details={bad.name: {"code": bad.code, "message": bad.message, "data": bad.data} for bad in found},
    )


def missing_parameters(names: list[str]) -> Refusal:
    """Required parameters that were not sent."""
    return Refusal(400, "rest_missing_callback_param", f"Missing parameter(s): {', '.join(names)}", params=names)


def no_route() -> Refusal:
    """An unknown path, namespace or method."""
    return Refusal(404, "rest_no_route", "No route was found matching the URL and request method.")


def invalid_id(kind: str, status: int, message: str = "Invalid ID.") -> Refusal:
    """An id that names nothing: 404 to read or delete, 400 to write."""
    return Refusal(status, f"woocommerce_rest_{kind}_invalid_id", message)


def no_trash(plural: str) -> Refusal:
    """Deleting for good needs ``force=true`` where there is no trash."""
    return Refusal(501, "woocommerce_rest_trash_not_supported", f"{plural} do not support trashing.")
