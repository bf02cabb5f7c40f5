"""A file in Perfetto's own format: tracks, and on them slices, instants, counters and flows, packet by packet.

Read this file before `debug/exports/perfetto.py`, which says what of a run becomes what. The messages are those of the
`perfetto` package; the file can be opened in Perfetto's user interface and queried with its trace processor.

What is written is one packet sequence. A name is written in full once (`InternedData`) and is a number from then on.
Nothing is kept but these names, so a trace may be of any length. Whoever calls sees to it that slices nest and that
time does not go back on a track.

Ref: perfetto.dev, "Writing TrackEvent Protos Synthetically"; protos/perfetto/trace/track_event/*.proto.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, Final

from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import (  # type: ignore[import-untyped]
    InternedData,
    Trace,
    TracePacket,
    TrackDescriptor,
    TrackEvent,
)

Value = bool | int | str
_SEQUENCE: Final = 1
_HEX: Final = (
    *("pc", "vcpu_pc", "vector", "elr", "spsr", "esr", "far", "hpfar", "hsr", "hxfar", "ipa", "pa", "gpa", "address"),
    *("offset", "value", "val", "operand", "function", "result", "instruction", "instr", "cpsr", "r0", "cval"),
)
"""Annotations that are shown in hexadecimal."""


class PerfettoFile:
    """Writes packets to a binary file. Tracks and flows are numbers that this class gives, times are in ns."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._last_number = 0
        self._names: dict[tuple[str, str], int] = {}
        self._write(TracePacket(sequence_flags=TracePacket.SEQ_INCREMENTAL_STATE_CLEARED))

    # --- tracks ------------------------------------------------------------------------------------------------------

    def process(self, name: str) -> int:
        """Return a new track that stands for a process; it groups others, and takes events of its own."""
        number = self._number()
        self._describe(uuid=number, process={"pid": number, "process_name": name})
        return number

    def thread(self, process: int, name: str) -> int:
        """Return a new track for a thread of a process."""
        number = self._number()
        thread = {"pid": process, "tid": number, "thread_name": name}
        self._describe(uuid=number, parent_uuid=process, thread=thread)
        return number

    def events(self, process: int, name: str) -> int:
        """Return a new track of a process for events that are no thread's."""
        number = self._number()
        self._describe(uuid=number, parent_uuid=process, name=name)
        return number

    def counter(self, process: int, name: str) -> int:
        """Return a new track of a process for the values of a counter."""
        number = self._number()
        self._describe(uuid=number, parent_uuid=process, name=name, counter={"unit_name": name})
        return number

    def flow(self) -> int:
        """Return a new number for a flow."""
        return self._number()

    def _number(self) -> int:
        """Return the next number. Tracks, processes, threads and flows share them: each is unique, none is 0."""
        self._last_number += 1
        return self._last_number

    def _describe(self, **fields: Any) -> None:
        self._write(TracePacket(track_descriptor=TrackDescriptor(**fields)))

    # --- events ------------------------------------------------------------------------------------------------------

    def begin(self, track: int, ns: int, name: str, notes: Mapping[str, Value], flows: Sequence[int] = ()) -> None:
        """Begin a slice inside those that are open on the track. `flows` lead to it, and on from it."""
        self._event(TrackEvent.TYPE_SLICE_BEGIN, track, ns, name, notes, flow_ids=flows)

    def end(self, track: int, ns: int) -> None:
        """End the slice of the track that began last."""
        self._event(TrackEvent.TYPE_SLICE_END, track, ns)

    def instant(
        self,
        track: int,
        ns: int,
        name: str,
        notes: Mapping[str, Value],
        flows: Sequence[int] = (),
        ending: Sequence[int] = (),
    ) -> None:
        """Note something that takes no time. Flows lead to it; those in `ending` end there."""
        self._event(TrackEvent.TYPE_INSTANT, track, ns, name, notes, flow_ids=flows, terminating_flow_ids=ending)

    def count(self, track: int, ns: int, value: int) -> None:
        """Give a counter the value that it has from now on."""
        self._event(TrackEvent.TYPE_COUNTER, track, ns, counter_value=value)

    def _event(
        self, kind: int, track: int, ns: int, name: str = "", notes: Mapping[str, Value] | None = None, **more: Any
    ) -> None:
        fields = {"type": kind, "track_uuid": track, **more}
        packet = TracePacket(timestamp=ns, sequence_flags=TracePacket.SEQ_NEEDS_INCREMENTAL_STATE, track_event=fields)
        event = packet.track_event
        if name:
            event.name_iid = self._interned(packet, "event_names", name)
        annotate = event.debug_annotations.add
        for key, value in (notes or {}).items():
            annotate(
                name_iid=self._interned(packet, "debug_annotation_names", key), **{_value_field(key, value): value}
            )
        self._write(packet)

    def _interned(self, packet: TracePacket, table: str, name: str) -> int:
        """Return the number of a name; its first use is in the packet that brings the name with it."""
        number = self._names.get((table, name))
        if number is None:
            number = self._names[table, name] = len(self._names) + 1
            packet.interned_data.MergeFrom(InternedData(**{table: [{"iid": number, "name": name}]}))
        return number

    def _write(self, packet: TracePacket) -> None:
        packet.trusted_packet_sequence_id = _SEQUENCE
        self._file.write(Trace(packet=[packet]).SerializeToString())


def _value_field(key: str, value: Value) -> str:
    """Return the field of a DebugAnnotation that holds a value."""
    if isinstance(value, bool):
        return "bool_value"
    if isinstance(value, str):
        return "string_value"
    if key in _HEX:
        return "pointer_value"
    return "int_value" if value < 1 << 63 else "uint_value"
