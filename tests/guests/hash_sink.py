"""The hash of a trace: two runs that are the same have the same one."""

import hashlib

import msgspec

from arm_hyp.events import Event


class HashSink:
    """The hash of a trace as JSON Lines."""

    def __init__(self) -> None:
        self._hash, self._encode = hashlib.sha256(), msgspec.json.Encoder().encode

    def emit(self, event: Event) -> None:
        self._hash.update(self._encode(event))

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()
