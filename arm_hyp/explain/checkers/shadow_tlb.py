"""A TLB that forgets nothing: HYP013, HYP014 and HYP015, mistakes that the core's own TLB, without tags, never shows.

Read `table_tree.py`, `address_spaces.py` and `stale.py` before this file.

A TLB may hold every translation that the tables ever gave, until a TLBI. So the shadow TLB is: all tables in use, each
a `TableTree`, and what they gave once and give no more, as `Stale` entries. It looks at the tables before each TLBI
takes effect, at each ERET to the code that they are for, and at the end; and compares what came with what is stale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Final, NamedTuple

from arm_hyp.arch.control_bits import HCR_E2H_TGE
from arm_hyp.arch.syndromes import EC
from arm_hyp.arch.translation import Regime, TranslationRegisters
from arm_hyp.arch.translation.parameters import Tables
from arm_hyp.events import (
    Barrier,
    Ended,
    Event,
    ExceptionReturned,
    ExceptionTaken,
    Maintenance,
    RegisterAccess,
    TranslationWrite,
)
from arm_hyp.explain.checkers.address_spaces import Root, Space, asid_of, el2_regime, roots, vmid_of
from arm_hyp.explain.checkers.model import Hear, Place, Report, Witness
from arm_hyp.explain.checkers.stale import Stale, StaleEntries
from arm_hyp.explain.checkers.table_tree import Change, Entry, Read, TableTree
from arm_hyp.explain.checkers.tlbi import Invalidation, decode_tlbi

_TURN_ON: Final = frozenset({"SCTLR_EL1", "SCTLR_EL12", "SCTLR_EL2", "HCR_EL2"})
_CHUNK_BYTES: Final = 4096
_AP_EL0, _UXN = 1 << 6, 1 << 54
_FETCH_ABORTS: Final = frozenset({0x20, 0x21})


class _Key(NamedTuple):
    """Names a tree."""

    space: Space
    asid: int | None
    tables: Tables


class ShadowTlb:
    """Follows all translation tables of a machine."""

    codes: ClassVar[tuple[str, ...]] = ("HYP013", "HYP014", "HYP015")

    def __init__(self, witness: Witness, report: Report) -> None:
        self._witness, self._report = witness, report
        self._trees: dict[_Key, TableTree] = {}
        self._live: dict[int, frozenset[_Key]] = {}  # by CPU
        self._asid_of_upper: dict[tuple[Space, Tables], int | None] = {}
        self._stage2_of: dict[int | None, _Key] = {}  # by VMID
        self._stale = StaleEntries()
        self._in_python: set[int] = set()
        self._seen_writes: set[tuple[int, str, int]] = set()
        self._begins: set[int] = set()  # CPUs that use other tables from their next ISB on

    def handlers(self) -> Mapping[type[Event], Hear]:
        """Return what is heard."""
        return {
            Maintenance: self._maintained,
            RegisterAccess: self._control_written,
            TranslationWrite: self._tables_written,
            Barrier: self._synchronized,
            ExceptionTaken: self._taken,
            ExceptionReturned: self._returned,
            Ended: self._look_at_all,
        }

    # --- when to look ------------------------------------------------------------------------------------------------

    def _look_at_all(self, event: Event) -> None:
        self._look(event, self._witness.translation(event.cpu), lambda space: True)

    def _control_written(self, event: RegisterAccess) -> None:
        if event.register in _TURN_ON and not event.is_read:
            self._begins.add(event.cpu)

    def _tables_written(self, event: TranslationWrite) -> None:
        """Take up tables that were never in use before; the others are known."""
        write = event.cpu, event.register, event.value
        if write not in self._seen_writes:
            self._seen_writes.add(write)
            self._begins.add(event.cpu)

    def _synchronized(self, event: Barrier) -> None:
        if event.instruction == "isb" and event.cpu in self._begins:
            self._begins.discard(event.cpu)
            self._use(event, self._witness.translation(event.cpu), lambda space: True)

    def _taken(self, event: ExceptionTaken) -> None:
        (self._in_python.add if event.python else self._in_python.discard)(event.cpu)
        if event.ec in (EC.HVC64, EC.SVC64) and event.to_el == 2:
            self._look_at_all(event)
        if event.ec not in _FETCH_ABORTS and event.from_el < 2:
            self._check_pc(event)

    def _returned(self, event: ExceptionReturned) -> None:
        if event.to_el >= event.from_el:
            return
        registers = self._witness.translation(event.cpu)
        self._look(event, registers, lambda space: _serves(space, event))
        if self._witness.cpus == 1 or event.cpu in self._in_python:
            self._check_unmapped(event, registers)
        self._in_python.discard(event.cpu)

    def _maintained(self, event: Maintenance) -> None:
        done = decode_tlbi(event.operation, event.operand)
        if done is None:
            return
        registers = self._witness.translation(event.cpu)
        is_host = done.el == 1 and event.el == 2 and registers.hcr_el2 & HCR_E2H_TGE == HCR_E2H_TGE
        regime = el2_regime(registers) if done.el == 2 or is_host else Regime.EL10
        self._look(event, registers, lambda space: space.regime is regime and space.stage in done.stages, done.address)
        self._stale.invalidate(regime, vmid_of(registers), done)
        if done.address is None:
            self._forget(regime, vmid_of(registers), done)

    def _forget(self, regime: Regime, vmid: int, done: Invalidation) -> None:
        """Forget the tables that are in nobody's TTBR, and whose translations are in no TLB any more."""
        live = frozenset[_Key]().union(*self._live.values())
        for key in [key for key in self._trees if key not in live and key.space.regime is regime]:
            is_reached = key.space.stage in done.stages and (done.all_vmids or key.space.vmid in (None, vmid))
            if is_reached and done.asid in (None, key.asid):
                del self._trees[key]

    # --- looking -----------------------------------------------------------------------------------------------------

    def _look(
        self,
        event: Event,
        registers: TranslationRegisters,
        wanted: Callable[[Space], bool],
        address: int | None = None,
    ) -> None:
        """Look at the tables of some spaces, all of them or those that translate one address."""
        self._use(event, registers, wanted)
        live = frozenset[_Key]().union(*self._live.values())
        for key, tree in list(self._trees.items()):
            if wanted(key.space):
                how = self._reader(key.space), key in live
                changes = tree.scan(*how) if address is None else tree.scan_path(address, *how)
                if changes:
                    self._take(event, key, changes, key in live)

    def _use(self, event: Event, registers: TranslationRegisters, wanted: Callable[[Space], bool]) -> None:
        """Take up the tables that a CPU uses now."""
        used = [(self._key(root), root) for root in roots(registers)]
        self._live[event.cpu] = frozenset(key for key, _ in used)
        for key, root in used:
            if key.space.stage == 2:
                self._stage2_of[key.space.vmid] = key
            is_wanted = wanted(key.space) or key.space.stage == 2
            if key not in self._trees and is_wanted and _is_in_use(key.space, event):
                self._begin(event, key, root)

    def _key(self, root: Root) -> _Key:
        """Name the tables in use. Those of TTBR1 that serve several ASIDs are a kernel's, global: kept once.

        Simplified: their entries that are not global count as global.
        """
        place = root.space, root.tables
        if root.space.is_upper and self._asid_of_upper.setdefault(place, root.asid) != root.asid:
            self._asid_of_upper[place] = None
        asid = self._asid_of_upper[place] if root.space.is_upper else root.asid
        return _Key(root.space, asid, root.tables)

    def _begin(self, event: Event, key: _Key, root: Root) -> None:
        tree = TableTree(key.tables, key.space.stage, root.first, key.asid, self._reader(key.space))
        others = [(other, known) for other, known in self._trees.items() if other[:2] == key[:2]]
        self._trees[key] = tree
        for other, known in others:
            self._compare(event, key, tree, other, known)
        self._check_all(event, key)

    def _reader(self, space: Space) -> Read:
        """Return how to read tables of a space: those of EL1&0 through stage 2, if there is one."""
        second = self._trees.get(self._stage2_of[space.vmid]) if space.vmid in self._stage2_of else None
        if space.stage == 2 or space.regime is not Regime.EL10 or second is None:
            return self._witness.read
        return lambda address, size_bytes: _read_through(second, self._witness, address, size_bytes)

    # --- what has changed --------------------------------------------------------------------------------------------

    def _take(self, event: Event, key: _Key, changes: Iterable[Change], is_live: bool) -> None:
        gained: list[Entry] = []
        for change in changes:
            gained += change.gained
            for entry in change.lost:
                after = [new for new in change.gained if new.overlaps(entry)]
                if not after or any(not new.agrees(entry) or entry.allows_more(new) for new in after):
                    self._stale.add(key.space, Stale(entry, key.tables.base, Place.of(event), bool(after)))
        for entry in gained if is_live else ():
            self._check(event, key, entry)

    def _check_all(self, event: Event, key: _Key) -> None:
        """Compare all that is stale in a space with what the tables in use give now."""
        for stale in self._stale.of(key.space):
            entry = self._trees[key].at(stale.entry.start)
            if entry is not None and (stale.entry.asid is None or stale.entry.asid == key.asid):
                self._check(event, key, entry)

    def _check(self, event: Event, key: _Key, new: Entry) -> None:
        """Compare a new entry with what is stale at its place."""
        for stale in list(self._stale.overlapping(key.space, new)):
            if not stale.entry.agrees(new):
                self._stale.drop(key.space, stale)
                self._report(*_conflict(event, key, stale, new))
            elif not stale.entry.allows_more(new):
                self._stale.drop(key.space, stale)

    def _compare(self, event: Event, key: _Key, tree: TableTree, other: _Key, known: TableTree) -> None:
        """Compare new tables with those that had the same VMID and ASID before."""
        for entry in known.entries():
            new = tree.at(entry.start)
            if new is not None and not new.agrees(entry):
                what = f"{_tag(key)} has the tables at {key.tables.base:#x} now and had those at {other.tables.base:#x}"
                place = f"{_name(key.space)} {entry.start:#x}"
                text = f"{what}, without a TLBI: {place} may lead to {entry.output:#x} still, not to {new.output:#x}"
                self._report("HYP015", event, text)
                return

    # --- use of what is gone -----------------------------------------------------------------------------------------

    def _check_unmapped(self, event: ExceptionReturned, registers: TranslationRegisters) -> None:
        """Report what the code that the ERET goes to may still use though it was taken away."""
        vmid = vmid_of(registers)
        for root in roots(registers):
            if _serves(root.space, event) and root.space.vmid in (None, vmid):
                for stale in self._stale.of(root.space):
                    if _is_used(stale.entry, root.space, asid_of(root.space.regime, registers)):
                        self._stale.drop(root.space, stale)
                        self._report("HYP014", event, f"{_gone(root.space, stale)}; EL{event.to_el} may still use it")

    def _check_pc(self, event: ExceptionTaken) -> None:
        """Report code that ran where the tables have no mapping any more."""
        registers = self._witness.translation(event.cpu)
        space = Space(Regime.EL10, 1, vmid_of(registers), bool(event.pc >> 55 & 1))
        asid = asid_of(Regime.EL10, registers)
        for stale in self._stale.of(space):
            is_there = stale.entry.start <= event.pc < stale.entry.end and stale.entry.asid in (None, asid)
            if is_there and not stale.was_replaced:
                self._stale.drop(space, stale)
                self._report("HYP014", event, f"{_gone(space, stale)}; the code at {event.pc:#x} ran by it")


def _is_in_use(space: Space, event: Event) -> bool:
    """Tell whether tables in a TTBR are in use: those of EL1&0 are not while EL2 prepares them, until its ERET."""
    return event.el < 2 or space.regime is not Regime.EL10 or isinstance(event, ExceptionReturned)


def _serves(space: Space, event: ExceptionReturned) -> bool:
    """Tell whether an ERET leads to code that uses a space in a way that its level can judge."""
    if event.from_el == 2 and space.regime is Regime.EL10:
        return space.stage == 2
    return space.stage == 1 and space.regime is (Regime.EL10 if event.from_el == 1 else Regime.EL20)


def _is_used(entry: Entry, space: Space, asid: int | None) -> bool:
    """Tell whether the guest, by stage 2, or EL0, by stage 1, has a use for an entry."""
    if space.stage == 2:
        return True
    is_for_el0 = bool(entry.descriptor & _AP_EL0 or not entry.descriptor & _UXN)
    return is_for_el0 and entry.asid in (None, asid)


def _read_through(second: TableTree, witness: Witness, address: int, size_bytes: int) -> bytes | None:
    """Read memory at an IPA; None where stage 2 has no mapping now."""
    parts: list[bytes] = []
    for at in range(address, address + size_bytes, _CHUNK_BYTES):
        entry = second.at(at)
        size = min(_CHUNK_BYTES, address + size_bytes - at)
        data = None if entry is None else witness.read(entry.output + at - entry.start, size)
        if data is None:
            return None
        parts.append(data)
    return b"".join(parts)


# --- words ------------------------------------------------------------------------------------------------------------


def _name(space: Space) -> str:
    return "IPA" if space.stage == 2 else "VA"


def _tag(key: _Key) -> str:
    if key.space.stage == 2:
        return f"VMID {key.space.vmid}"
    return f"the {key.space.regime.value} regime" if key.asid is None else f"ASID {key.asid}"


def _conflict(event: Event, key: _Key, stale: Stale, new: Entry) -> tuple[str, Event, str]:
    old, name = stale.entry, _name(key.space)
    was = f"{name} {old.start:#x} led to {old.output:#x} ({_size(old.size)})"
    now = f"leads to {new.output:#x} ({_size(new.size)})"
    if stale.root != key.tables.base:
        return "HYP015", event, f"{_tag(key)} has other tables now, without a TLBI: {was}, and now {now}"
    if stale.was_replaced:
        where = f"the descriptor at {old.address:#x} changed from {old.descriptor:#x} to {new.descriptor:#x}"
        text = f"{where} and was never invalid, with a TLBI, in between: {was}, and now {now}"
        return "HYP013", event, text if old.address == new.address else f"{was}, and now {now}, without a TLBI between"
    return "HYP014", event, f"{was}, was unmapped without a TLBI, and now {now}"


def _gone(space: Space, stale: Stale) -> str:
    entry, name = stale.entry, _name(space)
    lost = "lost rights" if stale.was_replaced else "was unmapped"
    missing = "TLBI IPAS2E1 without TLBI VMALLE1 after it" if stale.by_ipa_only else "no TLBI"
    return f"{name} {entry.start:#x} ({_size(entry.size)}, to {entry.output:#x}) {lost}, with {missing}"


def _size(size_bytes: int) -> str:
    units = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
    return next(f"{size_bytes // unit} {name}" for unit, name in units if size_bytes >= unit)
