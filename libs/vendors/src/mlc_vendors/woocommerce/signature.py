"""The signature of a webhook: base64(HMAC-SHA256(key, raw body)), proved over the bytes before anything reads them.

The key is the secret with HTML's special characters decoded, as WordPress does it; spaces count. Nothing signs a time:
a genuine webhook may be replayed, which is recognised by its content downstream. Source: facts sheet §14.
"""

from __future__ import annotations

import binascii
import hmac
import re
from collections.abc import Iterable

# What wp_specialchars_decode(…, ENT_QUOTES) decodes, in one pass; other entities stay as they are.
_ENTITY = re.compile(
    r"&(?:(?P<amp>amp|#0*38|#[xX]0*26)|(?P<lt>lt|#0*60)|(?P<gt>gt|#0*62)"
    r"|(?P<quot>quot|#0*34|#[xX]0*22)|(?P<apos>#0*39|#[xX]0*27));"
)
_CHARACTERS = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


def sign(secret: str, body: bytes) -> str:
    """The value of ``X-WC-Webhook-Signature`` for a body."""
    return _signature(secret, body).decode("ascii")


def verify(secrets: Iterable[str], body: bytes, signature: str) -> bool:
    """Whether one of the active secrets made this signature over exactly these bytes.

    Args:
        secrets: The active secrets of the connection; two while one is being replaced. None = nothing verifies.
        body: The raw body.
        signature: The header's value; only the one exact base64 text is accepted.

    Every secret is tried whichever fits, and compared in constant time.
    """
    given = signature.encode("utf-8", "surrogatepass")
    fits = False
    for secret in secrets:
        # An empty key would let anybody sign.
        fits |= hmac.compare_digest(_signature(secret, body), given) and bool(secret)
    return fits


def _signature(secret: str, body: bytes) -> bytes:
    return binascii.b2a_base64(hmac.digest(_key(secret), body, "sha256"), newline=False)


def _key(secret: str) -> bytes:
    if "&" in secret:
        secret = _ENTITY.sub(lambda found: _CHARACTERS[found.lastgroup or ""], secret)
    return secret.encode("utf-8", "surrogatepass")
