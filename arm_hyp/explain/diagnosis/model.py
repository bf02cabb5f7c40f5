"""What a diagnosis is: one sentence, the facts behind it, and what to do.

Read this file before all others of `explain/diagnosis/`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["ended", "dead", "failed", "off", "lock", "loop", "wait", "idle", "progress"]
"""ended, dead: the run is over. failed: a handler failed. off, lock, loop, wait: it hangs. idle: it waits for something
that will come. progress: nothing is wrong, as far as one can see."""

HANGS: frozenset[Kind] = frozenset({"dead", "off", "lock", "loop", "wait"})


class Diagnosis(msgspec.Struct, frozen=True):
    """Why a guest does what it does: `sentence` first, then `reasons`, then `advice` (empty where none is needed)."""

    kind: Kind
    sentence: str
    reasons: tuple[str, ...] = ()
    advice: str = ""

    def lines(self) -> list[str]:
        """Return the diagnosis as lines of text."""
        what_to_do = [f"  what to do: {self.advice}"] if self.advice else []
        return [self.sentence, *(f"  {reason}" for reason in self.reasons), *what_to_do]


class Finding(msgspec.Struct, frozen=True):
    """What was found about one CPU or vCPU. `text` completes the sentence that `who` begins."""

    kind: Kind
    who: str
    text: str
    reasons: tuple[str, ...] = ()
    advice: str = ""

    @property
    def sentence(self) -> str:
        """The finding as a sentence."""
        return f"{self.who} {self.text}."
