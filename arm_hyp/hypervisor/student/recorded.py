"""Handlers without their code: what was registered, as plain data, and the log of what they did.

Read `hypervisor/student/registry.py` and `hypervisor/student/effects.py` before this file. A recording holds the first
as `export` gives it; `RecordedHandlers.handlers` makes `Handlers` of it for `StudentCode`, which then replays the log.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from arm_hyp.arch.iss_classes import EC
from arm_hyp.arch.sysregs import Encoding
from arm_hyp.errors import UserError
from arm_hyp.hypervisor.student.effects import EffectLog
from arm_hyp.hypervisor.student.failures import Place, clean
from arm_hyp.hypervisor.student.registry import IPA_BITS, Handlers, Registered
from arm_hyp.hypervisor.student.wire import Malformed, Wire, decode, encode


class Row(msgspec.Struct, array_like=True, frozen=True):
    """One handler: the `key` of its table, as numbers, and what `Registered` has."""

    key: list[int]
    decorator: str
    takes_next: bool
    file: str
    line: int
    function: str


class Registrations(msgspec.Struct, frozen=True):
    """All that a file of handlers registered; `globals` are the plain ones of its modules before the run."""

    path: str
    classes: list[Row]
    sysregs: list[Row]
    hypercalls: list[Row]
    mmio: list[Row]
    globals: dict[str, Any]


def export(handlers: Handlers, globals: dict[str, dict[str, Any]]) -> Registrations:
    """Return what was registered, with no path but names of files."""
    names = {file: name for name, file in handlers.files.items()}

    def row(key: list[int], each: Registered) -> Row:
        file, line, function = each.source
        return Row(key, each.decorator, each.takes_next, clean(names.get(file, file)), line, function)

    return Registrations(
        path=clean(names.get(handlers.path, handlers.path)),
        classes=[row([int(ec)], each) for ec, each in handlers.classes.items()],
        sysregs=[row(list(encoding), each) for encoding, each in handlers.sysregs.items()],
        hypercalls=[row([number], each) for number, each in handlers.hypercalls.items()],
        mmio=[row([addresses.start, addresses.stop], each) for addresses, each in handlers.mmio.items()],
        globals={name: encode(values) for name, values in globals.items()},
    )


class RecordedHandlers(NamedTuple):
    """What a replay has in place of a file of handlers."""

    registrations: Registrations
    effects: EffectLog

    @classmethod
    def of(cls, registrations: Any, effects: list[bytes]) -> RecordedHandlers:
        """Take both as they were read: registrations as plain data, and `log.packed`. Raises: UserError."""
        try:
            made = cls(msgspec.convert(registrations, Registrations), EffectLog.of(effects))
        except (msgspec.MsgspecError, TypeError, RecursionError) as error:
            raise UserError("the recorded handlers", f"are damaged: {error}") from None
        made.handlers()
        return made

    def handlers(self) -> Handlers:
        """Return the handlers, which have no functions. Raises: UserError if they are damaged."""
        try:
            return self._handlers()
        except (Malformed, ValueError, TypeError, IndexError) as error:
            raise UserError("the recorded handlers", f"are damaged: {error}") from None

    def _handlers(self) -> Handlers:
        rows, made = self.registrations, Handlers(self.registrations.path)
        made.classes = {EC(row.key[0]): _registered(row, 1) for row in rows.classes}
        made.sysregs = {Encoding(*row.key): _registered(row, 5) for row in rows.sysregs}
        made.hypercalls = {row.key[0]: _registered(row, 1) for row in rows.hypercalls}
        made.mmio = {_addresses(row): _registered(row, 2) for row in rows.mmio}
        made.namespaces = {name: _names(wire) for name, wire in rows.globals.items()}
        return made


def _registered(row: Row, numbers: int) -> Registered:
    if len(row.key) != numbers:
        raise Malformed(f"{row.decorator} has a wrong key")
    return Registered(row.decorator, None, row.takes_next, Place(row.file, row.line, row.function))


def _addresses(row: Row) -> range:
    start, stop = row.key
    if not 0 <= start < stop <= 1 << IPA_BITS:
        raise Malformed(f"{row.decorator} is no range of addresses")
    return range(start, stop)


def _names(wire: Wire) -> dict[str, Any]:
    names = decode(wire)
    if type(names) is not dict or not all(type(name) is str and not name.startswith("__") for name in names):
        raise Malformed("the globals of a module are no names and values")
    return names
