"""Which stored files are ours: their names bear the key of a purchase, or the digest of an upload."""

from __future__ import annotations

import re

#: Lengths in hex digits: a purchase's key, and the digest that an upload is named after (see the manual, Names).
PURCHASE, UPLOAD = 14, 12
_PURCHASE = re.compile(rf"\.[0-9a-f]{{{PURCHASE}}}(?=\.|\Z)", re.IGNORECASE)
_UPLOAD = re.compile(rf"\.([0-9a-f]{{{UPLOAD}}})(?:\.[^.]*)?\Z", re.IGNORECASE)


def bears_purchase_key(filename: str) -> bool:
    """Whether a stored file's name bears a purchase's key.

    :param filename: its name at the API.
    """
    return _PURCHASE.search(filename) is not None


def upload_digest(filename: str) -> str | None:
    """The digest of its content that an upload's name bears; None where it bears none.

    :param filename: its name at the API.
    """
    found = _UPLOAD.search(filename)
    return found[1].lower() if found else None
