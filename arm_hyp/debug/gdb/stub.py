"""What each packet means: one total table from its name to what it does. No sockets; what moves is a `Debuggee`.

Read `packets.py` and `debuggee.py` before this file, `server.py` after it. A packet that the table does not name gets
the empty answer, which is the protocol's "not supported"; one that cannot be parsed gets an error, and changes nothing.

Ref: Debugging with GDB, E.2 (packets), E.3 (stop replies), E.4 (general queries).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from arm_hyp.debug.gdb.debuggee import Debuggee, Reason, Stop, StopKind, StopPoint
from arm_hyp.debug.gdb.packets import MAX_PACKET_BYTES
from arm_hyp.debug.gdb.target_description import RegisterRow
from arm_hyp.errors import UserError

_NAME: Final = re.compile(rb"[qQv][A-Za-z]+\??|b[cs]|[Zz]|.", re.DOTALL)
_OK, _MALFORMED, _NO_MEMORY = b"OK", b"E16", b"E0e"
_MAX_MEMORY_BYTES: Final = MAX_PACKET_BYTES // 2 - 1
_MAX_TEXT_BYTES: Final = 4096
_MAX_POINTS: Final = 1024
_FEATURES: Final = (
    f"PacketSize={MAX_PACKET_BYTES:x};QStartNoAckMode+;vContSupported+;swbreak+;hwbreak+;"
    "ReverseStep+;ReverseContinue+;qXfer:features:read+;qXfer:threads:read+"
)
_EXPEDITED: Final = ("x29", "sp", "pc")
"""Registers that each stop reply carries, as gdb always wants them."""
_WATCH_NAMES: Final = {StopKind.WRITE: "watch", StopKind.READ: "rwatch", StopKind.ACCESS: "awatch"}
_SIGINT, _SIGTRAP, _SIGABRT = 2, 5, 6


class Ending(StrEnum):
    """How a session with gdb ended, as far as gdb has asked for it."""

    DETACHED = "detached"
    KILLED = "killed"
    EXITED = "exited"
    ENDED = "ended"  # not by gdb: the user at the terminal has


class Stub:
    """One session. `wants_acknowledgements` until gdb turns them off; `ending` is set once the session is over."""

    def __init__(self, debuggee: Debuggee, exit_status: Callable[[], int]) -> None:
        self._debuggee, self._exit_status = debuggee, exit_status
        self.wants_acknowledgements = True
        self.ending: Ending | None = None
        self._stop = Stop(Reason.STEP, debuggee.thread_at_stop())
        self._thread = self._stop.thread
        self._points: set[StopPoint] = set()
        self._theirs: frozenset[bytes] = frozenset()  # what gdb supports
        self._documents = {b"features": self._target_xml, b"threads": self._threads_xml}

    def handle(self, packet: bytes) -> Sequence[bytes]:
        """Do what a packet asks, and return the data of the answers."""
        named = _NAME.match(packet)
        if named is None:
            return (b"",)
        command = _COMMANDS.get(named[0])
        if command is None:
            return (b"",)
        try:
            answer = command(self, packet[named.end() :])
        except UserError as error:
            return (_said(str(error)),)
        except (ValueError, IndexError, KeyError):
            return (_MALFORMED,)
        return (answer,) if isinstance(answer, bytes) else answer

    def moves(self, packet: bytes) -> bool:
        """Tell whether a packet has the machine move, which may take long."""
        named = _NAME.match(packet)
        return named is not None and named[0] in _MOVES

    # --- stops -------------------------------------------------------------------------------------------------------

    def _stopped(self, stop: Stop) -> list[bytes]:
        """Return what tells gdb of a stop; forward from the end of the run there is only the exit."""
        was_at_end = self._stop.reason is Reason.END
        self._stop, self._thread = stop, stop.thread
        told = [_console(stop.text)] if stop.text else []
        if stop.reason is Reason.END and was_at_end:
            self.ending = Ending.EXITED
            return [*told, f"W{self._exit_status() & 0xFF:02x}".encode()]
        return [*told, self._stop_reply()]

    def _stop_reply(self) -> bytes:
        stop = self._stop
        fields = [self._register_field(name) for name in _EXPEDITED]
        parts = "".join((f"T{_signal(stop):02x}", *fields, f"thread:{stop.thread:x};", self._why(stop)))
        return parts.encode()

    def _register_field(self, name: str) -> str:
        row = self._debuggee.description.by_name[name]
        return f"{row.number:x}:{self._hex_of(row)};"

    def _why(self, stop: Stop) -> str:
        if stop.reason in (Reason.START, Reason.END):
            return f"replaylog:{'begin' if stop.reason is Reason.START else 'end'};"
        if stop.point is None:
            return ""
        if stop.point.kind.is_watch:
            return f"{_WATCH_NAMES[stop.point.kind]}:{stop.point.address:x};"
        name = "swbreak" if stop.point.kind is StopKind.SOFTWARE else "hwbreak"
        return f"{name}:;" if f"{name}+".encode() in self._theirs else ""

    def _last_stop(self, _rest: bytes) -> bytes:
        return self._stop_reply()

    # --- moving ------------------------------------------------------------------------------------------------------

    def _go_on(self, _rest: bytes) -> list[bytes]:
        return self._stopped(self._debuggee.go(frozenset(self._points), is_forward=True))

    def _step(self, _rest: bytes) -> list[bytes]:
        return self._stopped(self._debuggee.step(self._thread))

    def _go_back(self, _rest: bytes) -> list[bytes]:
        return self._stopped(self._debuggee.go(frozenset(self._points), is_forward=False))

    def _step_back(self, _rest: bytes) -> list[bytes]:
        return self._stopped(self._debuggee.step_back())

    def _resume(self, rest: bytes) -> list[bytes] | bytes:
        """Carry out vCont: of its actions a step goes first; the other CPUs run meanwhile, as their turns come."""
        actions = [part.partition(b":") for part in rest.lstrip(b";").split(b";")]
        if any(action[:1] not in b"csCS" or not action for action, _, _ in actions):
            return _MALFORMED
        for action, _, thread in actions:
            if action[:1] in b"sS":
                self._thread = self._parsed_thread(thread or b"0")
                return self._step(b"")
        return self._go_on(b"")

    # --- threads -----------------------------------------------------------------------------------------------------

    def _parsed_thread(self, text: bytes) -> int:
        """Return a thread's number; any and all are the present one. Raises: ValueError if there is none such."""
        number = int(text, 16)
        if number <= 0:
            return self._thread
        if number > self._debuggee.thread_count:
            raise ValueError(f"there is no thread {number}")
        return number

    def _set_thread(self, rest: bytes) -> bytes:
        thread = self._parsed_thread(rest[1:])
        if rest[:1] == b"g":
            self._thread = thread
        return _OK

    def _is_alive(self, rest: bytes) -> bytes:
        self._parsed_thread(rest)
        return _OK

    def _current_thread(self, _rest: bytes) -> bytes:
        return f"QC{self._stop.thread:x}".encode()

    def _all_threads(self, _rest: bytes) -> bytes:
        return b"m" + ",".join(f"{number:x}" for number in range(1, self._debuggee.thread_count + 1)).encode()

    def _thread_extra(self, rest: bytes) -> bytes:
        thread = self._debuggee.threads()[self._parsed_thread(rest[1:]) - 1]
        return f"{thread.name}: {thread.state}".encode().hex().encode()

    # --- registers ---------------------------------------------------------------------------------------------------

    def _hex_of(self, row: RegisterRow) -> str:
        """Return a register's bytes, least significant first; `x` for each digit of one that is not there."""
        value = self._debuggee.read_register(self._thread, row.name)
        if value is None:
            return "x" * (row.bits // 4)
        return (value & (1 << row.bits) - 1).to_bytes(row.bits // 8, "little").hex()

    def _read_registers(self, _rest: bytes) -> bytes:
        return "".join(map(self._hex_of, self._debuggee.description.in_g_packet)).encode()

    def _write_registers(self, rest: bytes) -> bytes:
        """Write those of the registers that change."""
        data, start = bytes.fromhex(rest.decode()), 0
        for row in self._debuggee.description.in_g_packet:
            part, start = data[start : start + row.bits // 8], start + row.bits // 8
            value = int.from_bytes(part, "little")
            if len(part) == row.bits // 8 and value != self._debuggee.read_register(self._thread, row.name):
                self._debuggee.write_register(self._thread, row.name, value)
        return _OK

    def _row(self, number: bytes) -> RegisterRow:
        return self._debuggee.description.rows[_number(number)]

    def _read_register(self, rest: bytes) -> bytes:
        return self._hex_of(self._row(rest)).encode()

    def _write_register(self, rest: bytes) -> bytes:
        number, _, digits = rest.partition(b"=")
        row, data = self._row(number), bytes.fromhex(digits.decode())
        if len(data) != row.bits // 8:
            return _MALFORMED
        self._debuggee.write_register(self._thread, row.name, int.from_bytes(data, "little"))
        return _OK

    # --- memory ------------------------------------------------------------------------------------------------------

    def _read_memory(self, rest: bytes) -> bytes:
        address, size_bytes = _range(rest)
        data = self._debuggee.read_memory(self._thread, address, min(size_bytes, _MAX_MEMORY_BYTES))
        return data.hex().encode() if data or not size_bytes else _NO_MEMORY

    def _write_memory(self, rest: bytes) -> bytes:
        place, _, digits = rest.partition(b":")
        return self._written(place, bytes.fromhex(digits.decode()))

    def _write_binary(self, rest: bytes) -> bytes:
        place, _, data = rest.partition(b":")
        return self._written(place, data)

    def _written(self, place: bytes, data: bytes) -> bytes:
        address, size_bytes = _range(place)
        if len(data) != size_bytes:
            return _MALFORMED
        if data:
            self._debuggee.write_memory(self._thread, address, data)
        return _OK

    # --- breakpoints and watchpoints ---------------------------------------------------------------------------------

    def _set_point(self, rest: bytes) -> bytes:
        point = _point(rest)
        if len(self._points) >= _MAX_POINTS:
            return _said(f"there are {_MAX_POINTS} breakpoints already")
        if point.kind.is_watch:
            physical = self._debuggee.locate(self._thread, point.address)
            if physical is None:
                return _NO_MEMORY
            point = point._replace(physical=physical)
        self._points.add(point)
        return _OK

    def _clear_point(self, rest: bytes) -> bytes:
        gone = _point(rest)
        self._points = {point for point in self._points if point._replace(physical=0) != gone}
        return _OK

    # --- queries -----------------------------------------------------------------------------------------------------

    def _supported(self, rest: bytes) -> bytes:
        self._theirs = frozenset(rest.lstrip(b":").split(b";"))
        return _FEATURES.encode()

    def _no_acknowledgements(self, _rest: bytes) -> bytes:
        self.wants_acknowledgements = False
        return _OK

    def _transfer(self, rest: bytes) -> bytes:
        _, kind, action, annex, place = rest.split(b":", 4)
        make = self._documents.get(kind)
        if make is None or action != b"read":
            return b""
        start, size_bytes = _range(place)
        document = make(annex)
        if document is None:
            return b"E00"
        piece = document[start : start + min(size_bytes, _MAX_MEMORY_BYTES)]
        return (b"m" if start + len(piece) < len(document) else b"l") + piece

    def _target_xml(self, annex: bytes) -> bytes | None:
        return self._debuggee.description.xml if annex == b"target.xml" else None

    def _threads_xml(self, _annex: bytes) -> bytes:
        rows = (
            f'<thread id="{thread.number:x}" name={quoteattr(thread.name)}>{escape(thread.state)}</thread>\n'
            for thread in self._debuggee.threads()
        )
        return f'<?xml version="1.0"?>\n<threads>\n{"".join(rows)}</threads>\n'.encode()

    def _monitor(self, rest: bytes) -> list[bytes]:
        command = bytes.fromhex(rest.removeprefix(b",").decode()).decode(errors="replace")
        try:
            text = self._debuggee.monitor(self._thread, command)
        except UserError as error:
            text = str(error)
        data = f"{text.rstrip()}\n".encode()
        pieces = range(0, len(data), _MAX_TEXT_BYTES)
        return [*(b"O" + data[start : start + _MAX_TEXT_BYTES].hex().encode() for start in pieces), _OK]

    # --- the end -----------------------------------------------------------------------------------------------------

    def _detach(self, _rest: bytes) -> bytes:
        self.ending = Ending.DETACHED
        return _OK

    def _kill(self, _rest: bytes) -> list[bytes]:
        self.ending = Ending.KILLED
        return []

    def _kill_process(self, _rest: bytes) -> bytes:
        self.ending = Ending.KILLED
        return _OK


def _signal(stop: Stop) -> int:
    return {Reason.INTERRUPT: _SIGINT, Reason.FAILED: _SIGABRT}.get(stop.reason, _SIGTRAP)


def _console(text: str) -> bytes:
    return b"O" + f"{text}\n".encode()[:_MAX_TEXT_BYTES].hex().encode()


def _said(text: str) -> bytes:
    """Return an error that gdb shows."""
    return f"E.{text}".encode()


def _number(digits: bytes) -> int:
    """Parse hexadecimal digits. Raises: ValueError, also for a sign or spaces."""
    if not re.fullmatch(rb"[0-9a-fA-F]{1,16}", digits):
        raise ValueError(f"{digits!r} is no number")
    return int(digits, 16)


def _range(text: bytes) -> tuple[int, int]:
    address, _, size_bytes = text.partition(b",")
    return _number(address), _number(size_bytes)


def _point(rest: bytes) -> StopPoint:
    kind, address, size_bytes = rest.split(b";")[0].split(b",")
    return StopPoint(StopKind(_number(kind)), _number(address), _number(size_bytes))


_MOVES: Final = frozenset({b"c", b"C", b"s", b"S", b"bc", b"bs", b"vCont"})
_COMMANDS: Final[dict[bytes, Callable[[Stub, bytes], bytes | list[bytes]]]] = {
    b"?": Stub._last_stop,
    b"g": Stub._read_registers,
    b"G": Stub._write_registers,
    b"p": Stub._read_register,
    b"P": Stub._write_register,
    b"m": Stub._read_memory,
    b"M": Stub._write_memory,
    b"X": Stub._write_binary,
    b"Z": Stub._set_point,
    b"z": Stub._clear_point,
    b"H": Stub._set_thread,
    b"T": Stub._is_alive,
    b"c": Stub._go_on,
    b"C": Stub._go_on,
    b"s": Stub._step,
    b"S": Stub._step,
    b"bc": Stub._go_back,
    b"bs": Stub._step_back,
    b"D": Stub._detach,
    b"k": Stub._kill,
    b"vKill": Stub._kill_process,
    b"vCont": Stub._resume,
    b"vCont?": lambda stub, rest: b"vCont;c;C;s;S",
    b"qSupported": Stub._supported,
    b"QStartNoAckMode": Stub._no_acknowledgements,
    b"qAttached": lambda stub, rest: b"1",
    b"qC": Stub._current_thread,
    b"qfThreadInfo": Stub._all_threads,
    b"qsThreadInfo": lambda stub, rest: b"l",
    b"qThreadExtraInfo": Stub._thread_extra,
    b"qXfer": Stub._transfer,
    b"qRcmd": Stub._monitor,
}
