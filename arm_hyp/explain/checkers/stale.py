"""What a TLB may still hold though the tables give it no more.

Read `table_tree.py`, `tlbi.py` and `address_spaces.py` before this file, `shadow_tlb.py` after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from arm_hyp.arch.translation import Regime
from arm_hyp.explain.checkers.address_spaces import Space
from arm_hyp.explain.checkers.model import Place
from arm_hyp.explain.checkers.table_tree import Entry
from arm_hyp.explain.checkers.tlbi import Invalidation


class Stale(NamedTuple):
    """An entry that was lost. `root` is where its tables began, `place` where the loss was seen.

    `was_replaced`: another valid one was there at once. `by_ipa_only`: TLBI IPAS2E1 has taken it, but not what was
    combined of both stages, which goes with TLBI VMALLE1 only.
    """

    entry: Entry
    root: int
    place: Place
    was_replaced: bool
    by_ipa_only: bool = False


Key = tuple[int, int, int | None]


class StaleEntries:
    """The stale entries of all spaces."""

    def __init__(self) -> None:
        self._spaces: dict[Space, dict[Key, Stale]] = {}

    def add(self, space: Space, stale: Stale) -> None:
        """Keep one. The first that is lost at a place stays: it may be in the TLB as well as the later ones."""
        entry = stale.entry
        self._spaces.setdefault(space, {}).setdefault((entry.start, entry.size, entry.asid), stale)

    def drop(self, space: Space, stale: Stale) -> None:
        """Forget one: it was reported, or is mapped again as it was."""
        entry = stale.entry
        self._spaces[space].pop((entry.start, entry.size, entry.asid), None)

    def of(self, space: Space) -> list[Stale]:
        """Return those of a space."""
        return list(self._spaces.get(space, {}).values())

    def overlapping(self, space: Space, new: Entry) -> Iterator[Stale]:
        """Return those that a lookup could hit together with a new entry."""
        known = self._spaces.get(space)
        if not known:
            return
        for stale in self._near(known, new):
            asid = stale.entry.asid
            if stale.entry.overlaps(new) and (asid is None or new.asid is None or asid == new.asid):
                yield stale

    @staticmethod
    def _near(known: dict[Key, Stale], new: Entry) -> list[Stale]:
        """Return candidates: all if they are few, else those of the same place and size, and all of other sizes."""
        if len(known) < 16:
            return list(known.values())
        same = [known[key] for asid in (None, new.asid) if (key := (new.start, new.size, asid)) in known]
        return same + [stale for (_, size, _), stale in known.items() if size != new.size]

    def invalidate(self, regime: Regime, vmid: int, done: Invalidation) -> None:
        """Forget what an operation reaches. `regime` is the one that it is for, `vmid` the current one."""
        for space, known in self._spaces.items():
            if space.regime is regime and (done.all_vmids or space.vmid in (None, vmid)):
                self._spaces[space] = dict(_kept(space, known, done))


def _kept(space: Space, known: dict[Key, Stale], done: Invalidation) -> Iterator[tuple[Key, Stale]]:
    for key, stale in known.items():
        if space.stage not in done.stages:
            is_rest = stale.by_ipa_only and done.asid is None and done.address is None
            if not is_rest:
                yield key, stale
        elif not _reaches(done, stale.entry):
            yield key, stale
        elif space.stage == 2 and done.address is not None:
            yield key, stale._replace(by_ipa_only=True)


def _reaches(done: Invalidation, entry: Entry) -> bool:
    if done.address is not None and not entry.start <= done.address < entry.end:
        return False
    if done.asid is None:
        return True
    return entry.asid == done.asid or (entry.asid is None and done.address is not None)
