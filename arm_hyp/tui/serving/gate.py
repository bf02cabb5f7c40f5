"""Who may come in: whoever knows the token in the address, from a page of this very server.

Read nothing before this file, `tui/serving/server.py` after it. A page of somebody else could have the user's browser
connect here: its name would be in Host (when its name leads to this machine: DNS rebinding) or in Origin.
"""

from __future__ import annotations

import re
import secrets
from enum import Enum
from typing import Final, NamedTuple

_HOST: Final = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)
_TOKEN_BYTES: Final = 24


class Role(Enum):
    """What a visitor may do: `DRIVE` has the keys, `WATCH` looks on."""

    DRIVE = "drive"
    WATCH = "watch"


class Tokens(NamedTuple):
    """The secrets of one server; without `watch` nobody can only look on."""

    drive: str
    watch: str | None = None

    @classmethod
    def new(cls, *, can_watch: bool) -> Tokens:
        """Make them."""
        return cls(secrets.token_urlsafe(_TOKEN_BYTES), secrets.token_urlsafe(_TOKEN_BYTES) if can_watch else None)

    def role_of(self, token: str) -> Role | None:
        """Return what a token allows; None: nothing. Takes as long for a wrong one as for a right one."""
        given = token.encode("utf-8", "replace")
        if secrets.compare_digest(given, self.drive.encode()):
            return Role.DRIVE
        if self.watch is not None and secrets.compare_digest(given, self.watch.encode()):
            return Role.WATCH
        return None


def refusal(host: str, origin: str | None, *, needs_origin: bool) -> str:
    """Say why a request is refused; empty: it is not. A websocket `needs_origin`, which browsers send with it."""
    if not _HOST.fullmatch(host):
        return "this is served to this machine alone, by the names localhost and 127.0.0.1"
    if origin is None:
        return "there is no Origin" if needs_origin else ""
    return "" if origin == f"http://{host}" else "another page has sent this"
