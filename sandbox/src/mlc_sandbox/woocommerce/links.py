"""``_links`` of an object, and the URLs that the Link header of a list repeats.

WordPress builds list URLs in two passes, which shows: a trailing ``=`` is lost and ``+`` stays. Facts sheet §3 and the
captures of OAuth requests.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote_plus, unquote_plus

from mlc_sandbox.woocommerce.store import Store

ITEM_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def item_links(
    store: Store, path: str, item_id: int | str, *, allow: tuple[str, ...] = ITEM_METHODS
) -> dict[str, list[dict[str, Any]]]:
    """``self`` with what may be done, and ``collection``."""
    collection = f"{store.rest_url}/{path}"
    return {
        "self": [{"href": f"{collection}/{item_id}", "targetHints": {"allow": list(allow)}}],
        "collection": [{"href": collection}],
    }


def page_url(base: str, query: list[tuple[str, str]], page: int) -> str:
    """The URL of another page: the same query, the page replaced in its place or added at the end."""
    pairs = list(_as_wordpress_reads_it(query))
    if any(name == "page" for name, _ in pairs):
        pairs = [(name, str(page) if name == "page" else value) for name, value in pairs]
    else:
        pairs.append(("page", str(page)))
    return base + "?" + "&".join(f"{_key(name)}={quote_plus(value, safe='')}" for name, value in pairs)


def flat(name: str, value: Any) -> list[tuple[str, str]]:
    """A sanitised parameter as query pairs: lists get indices, true is 1, false disappears."""
    if isinstance(value, list):
        return [(f"{name}[{index}]", str(item)) for index, item in enumerate(value)]
    if isinstance(value, bool):
        return [(name, "1")] if value else []
    return [(name, str(value))]


def _as_wordpress_reads_it(query: list[tuple[str, str]]) -> list[tuple[str, str]]:
    # First pass: values are put in raw, "=" before "&" or the end is cut off; second pass: decoded and encoded again.
    return [(name, unquote_plus(value.rstrip("="))) for name, value in query]


def _key(name: str) -> str:
    return name.replace("[", "%5B").replace("]", "%5D")
