"""A tour as data, and the TOML file that it comes from.

Read `tui/keys.py` before this file, `tui/tours/player.py` after it. An action is a word of `tui/keys.py` with what it
would ask for: "next_trap", "goto 10.1", "whatif HCR_EL2.TWI"; and "panel NAME" for the digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from arm_hyp.errors import UserError
from arm_hyp.resources import guests_directory
from arm_hyp.runner.configuration import Configuration
from arm_hyp.tui.keys import BY_NAME
from arm_hyp.tui.panels.catalogue import NAMES

FOLDER: Final = "tours"
SUFFIX: Final = ".toml"
WITH_ARGUMENT: Final = frozenset({"goto", "search", "breakpoint", "mark", "whatif", "who_changed", "explain", "panel"})
"""Actions that a tour says what to do with; the others stand alone."""
ALONE: Final = BY_NAME.keys() - WITH_ARGUMENT - {"quit", "interrupt", "edit", "copy", "save", "console"}
MOST_STEPS: Final = 200


class Do(NamedTuple):
    """One action, with its argument; empty if it stands alone."""

    name: str
    argument: str

    @classmethod
    def parse(cls, text: str) -> Do:
        """Read "goto 10.1". Raises: ValueError."""
        name, _, argument = text.strip().partition(" ")
        if name in WITH_ARGUMENT and argument:
            if name == "panel" and argument not in NAMES:
                raise ValueError(f"{text}: there is no such panel")
            return cls(name, argument.strip())
        if name in ALONE and not argument:
            return cls(name, "")
        raise ValueError(f"{text}: is no action that a tour can do")


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is done, then what is told about it. `pause` in seconds; 0 waits for a key.

    A `question` is asked after the text, and a key reveals its `answer`.
    """

    title: str
    text: str
    do: tuple[str, ...] = ()
    pause: float = 0.0
    question: str = ""
    answer: str = ""

    @property
    def actions(self) -> Iterator[Do]:
        """The actions. Raises: ValueError."""
        return map(Do.parse, self.do)

    @property
    def told(self) -> tuple[str, ...]:
        """All that is told, as paragraphs."""
        return tuple(" ".join(one.split()) for one in (self.text, self.question, self.answer) if one)


class Tour(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tour: its guest, a file of `guests/`, and how that is run. With `vm` it is in a VM of the Python hypervisor."""

    title: str
    summary: str
    guest: str
    step: tuple[Step, ...]
    name: str = ""
    settings: tuple[str, ...] = ()
    cpu: str = "a72"
    gic: int = 2
    cpus: int = 1
    vm: bool = False

    @property
    def configuration(self) -> Configuration:
        """Return the machine to run it on."""
        return Configuration(
            image=str(guests_directory() / self.guest),
            settings=self.settings,
            cpu=self.cpu,
            gic=self.gic,
            cpus=self.cpus,
            hypervisor="" if self.vm else None,
        )


def tours() -> tuple[Tour, ...]:
    """Return all tours that ship with the program, the first to see first. Raises: UserError."""
    found = sorted((guests_directory() / FOLDER).glob(f"*{SUFFIX}"))
    return tuple(read_tour(path) for path in found)


def tour_named(name: str) -> Tour:
    """Return a tour by its name, or from a file. Raises: UserError."""
    if name.endswith(SUFFIX):
        return read_tour(Path(name))
    known = tours()
    found = next((one for one in known if one.name == name), None)
    if found is None:
        raise UserError(f"demo {name}", "there is no such tour", f"there are {', '.join(one.name for one in known)}")
    return found


def read_tour(path: Path) -> Tour:
    """Read a tour; its name is that of the file, without a number in front. Raises: UserError."""
    try:
        plain = msgspec.toml.decode(path.read_bytes())
        tour = msgspec.convert({"name": path.stem.lstrip("0123456789-"), **_dict(plain)}, Tour)
        _check(tour)
    except OSError as error:
        raise UserError(str(path), f"cannot be read: {error.strerror}") from None
    except (ValueError, msgspec.MsgspecError) as error:
        raise UserError(str(path), f"is no tour: {error}", "docs/terminal.md says what is in one") from None
    return tour


def _dict(plain: Any) -> dict[str, Any]:
    return plain if isinstance(plain, dict) else {}


def _check(tour: Tour) -> None:
    """Refuse what cannot be played. Raises: ValueError."""
    if not 0 < len(tour.step) <= MOST_STEPS:
        raise ValueError(f"it has {len(tour.step)} steps; 1 to {MOST_STEPS} can be")
    for step in tour.step:
        list(step.actions)
        if bool(step.question) != bool(step.answer):
            raise ValueError(f"{step.title}: a question and its answer come together")
        if not 0 <= step.pause <= 600:
            raise ValueError(f"{step.title}: a pause is of 0 to 600 seconds")
