"""HYP001 to HYP004: an exception and the ERET that answers it. Where does it go back to, and as what?

Read `model.py` before this file. What is judged is an exception followed directly by an ERET of the level that took it,
on one CPU. An ERET that goes on where another exception was taken before is a switch to another context, and right; so
is, behind a call, one with other values in the registers that a call keeps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import ClassVar, Final, NamedTuple

from arm_hyp.arch.syndromes import EC
from arm_hyp.events import Event, ExceptionReturned, ExceptionTaken
from arm_hyp.explain.checkers.model import Hear, Report, Witness

_COMPLETED: Final = {EC.SVC64: "SVC", EC.HVC64: "HVC"}
"""Their ELR_ELx is the address of the instruction after them."""
_DEBUG: Final = frozenset(range(0x30, 0x40))
_MODE: Final = 0x1F
"""PSTATE.nRW and M <4:0>, as in SPSR_ELx."""
_NEAR: Final = 8
"""A handler that returns up to so many bytes further returns to the code that it was taken from."""
FOR_EVER: Final = 3
"""So many times the same trap, with nothing retired between, is taken as for ever."""


def _completed(event: ExceptionTaken) -> str | None:
    """Return the name of a call that has completed. Trapped by HFGITR_EL2 it has not: ELR_EL2 is its own address."""
    return _COMPLETED.get(EC(event.ec)) if event.ec is not None and event.elr != event.pc else None


class Context(NamedTuple):
    """Where an exception was taken from, as its target level finds it."""

    target_el: int
    elr: int
    mode: int


class Returns:
    """Judges each pair of an exception and an ERET."""

    codes: ClassVar[tuple[str, ...]] = ("HYP001", "HYP002", "HYP003", "HYP004")

    def __init__(self, witness: Witness, report: Report) -> None:
        self._witness, self._report = witness, report
        self._kept: dict[int, tuple[int, ...]] = {}  # by CPU: the registers that the last call must find again
        self._last: dict[int, ExceptionTaken] = {}  # by CPU: the exception that no ERET has followed yet
        self._returned: dict[int, ExceptionReturned] = {}
        self._repeats: dict[int, tuple[tuple[int | None, ...], int]] = {}
        self._left: Counter[Context] = Counter()  # contexts that were left, and may be returned to

    def handlers(self) -> Mapping[type[Event], Hear]:
        """Return what is heard."""
        return {ExceptionTaken: self._taken, ExceptionReturned: self._return}

    def _taken(self, event: ExceptionTaken) -> None:
        self._last[event.cpu] = event
        self._left[Context(event.to_el, event.elr, event.spsr & _MODE)] += 1
        if _completed(event) is not None:
            self._kept[event.cpu] = self._witness.kept(event.cpu)
        elif event.esr is not None and event.ec not in _DEBUG:
            self._count(event)

    def _count(self, event: ExceptionTaken) -> None:
        """Notice a trap that the last ERET led straight into again."""
        key = (event.to_el, event.elr, event.esr, event.far)
        known, count = self._repeats.get(event.cpu, (None, 0))
        back = self._returned.get(event.cpu)
        is_repeated = known == key and back is not None and (back.elr, back.n) == (event.elr, event.n)
        count = count + 1 if is_repeated else 1
        self._repeats[event.cpu] = key, count
        if count == FOR_EVER:
            what = f"the instruction at {event.elr:#x} has trapped to EL{event.to_el} {count} times in a row"
            way = f"its handler returns to it without a change: add 4 to ELR_EL{event.to_el}, or remove the cause"
            self._report("HYP002", event, f"{what}, ESR_EL{event.to_el} {event.esr:#x}; {way}")

    def _return(self, event: ExceptionReturned) -> None:
        taken = self._last.pop(event.cpu, None)
        self._returned[event.cpu] = event
        if event.illegal is not None:
            self._report(
                "HYP003", event, f"the ERET with SPSR_EL{event.el} {event.spsr:#x} is illegal: {event.illegal}"
            )
            return
        context = Context(event.from_el, event.elr, event.spsr & _MODE)
        if self._left[context]:
            self._forget(context)
        elif taken is not None and taken.to_el == event.from_el:
            self._judge(taken, event)
            if 0 <= event.elr - taken.elr <= _NEAR:  # else it is a switch: the context that was left may be resumed
                self._forget(Context(taken.to_el, taken.elr, taken.spsr & _MODE))

    def _forget(self, context: Context) -> None:
        self._left[context] -= 1
        if self._left[context] <= 0:
            del self._left[context]

    def _judge(self, taken: ExceptionTaken, back: ExceptionReturned) -> None:
        el, name = back.from_el, _completed(taken)
        is_skip = name is not None and back.elr == taken.elr + 4
        if is_skip and self._witness.kept(back.cpu) == self._kept[back.cpu]:
            past = f"ELR_EL{el} was already behind the {name} at {taken.elr - 4:#x}"
            self._report("HYP001", back, f"{past}; 4 was added, and the instruction at {taken.elr:#x} never runs")
        is_same_place = back.elr - taken.elr in ((0,) if name else (0, 4))
        if is_same_place and back.to_el < el and taken.from_el < el and (back.spsr ^ taken.spsr) & _MODE:
            was, now = taken.spsr & _MODE, back.spsr & _MODE
            text = f"SPSR_EL{el}.M was {was:#07b} at the exception and is {now:#07b} at the ERET to {back.elr:#x}"
            self._report("HYP004", back, f"{text}: the interrupted code goes on in another mode")
