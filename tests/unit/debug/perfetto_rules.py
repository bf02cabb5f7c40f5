"""A strict reader of Perfetto traces: what the format asks of tracks, slices, counters, flows, names and times.

It knows nothing of the writer. The messages are decoded by the `perfetto` package; a broken rule is an AssertionError.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TracePacket, TrackEvent


@dataclass
class Slice:
    """A slice or an instant. `depth` is the number of slices around it; `end_ns` is None while it is open."""

    track: str
    name: str
    start_ns: int
    depth: int
    notes: dict[str, Any]
    flows: list[int]
    parent: Slice | None
    end_ns: int | None = None
    is_instant: bool = False


@dataclass
class Picture:
    """What a reader makes of a trace: everything on tracks, by the tracks' names."""

    slices: list[Slice] = field(default_factory=list)
    counters: dict[tuple[str, str], list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    processes: dict[int, str] = field(default_factory=dict)
    threads: dict[str, str] = field(default_factory=dict)

    def named(self, name: str, track: str | None = None) -> list[Slice]:
        """Return the slices and instants of a name."""
        return [each for each in self.slices if each.name == name and track in (None, each.track)]


class _Reader:
    def __init__(self) -> None:
        self.picture = Picture()
        self.tracks: dict[int, Any] = {}
        self.names: dict[tuple[str, int], str] = {}
        self.last_ns: dict[int, int] = defaultdict(int)
        self.open: dict[int, list[Slice]] = defaultdict(list)
        self.flows: Counter[int] = Counter()
        self.ended_flows: set[int] = set()

    def read(self, packets: list[TracePacket]) -> Picture:
        assert packets, "the trace is empty"
        assert packets[0].sequence_flags == TracePacket.SEQ_INCREMENTAL_STATE_CLEARED
        for packet in packets:
            assert packet.trusted_packet_sequence_id == packets[0].trusted_packet_sequence_id != 0
            self._intern(packet)
            if packet.HasField("track_descriptor"):
                self._track(packet.track_descriptor)
            if packet.HasField("track_event"):
                assert packet.sequence_flags == TracePacket.SEQ_NEEDS_INCREMENTAL_STATE
                self._event(packet.timestamp, packet.track_event)
        assert not any(self.open.values()), "slices have no end"
        lonely = [flow for flow, count in self.flows.items() if count < 2]
        assert not lonely, f"flows with one end: {lonely}"
        return self.picture

    def _intern(self, packet: TracePacket) -> None:
        for table in ("event_names", "debug_annotation_names"):
            for entry in getattr(packet.interned_data, table):
                assert entry.iid and entry.name and (table, entry.iid) not in self.names
                self.names[table, entry.iid] = entry.name

    # --- tracks ------------------------------------------------------------------------------------------------------

    def _track(self, made: Any) -> None:
        assert made.uuid and made.uuid not in self.tracks, "an id is used twice"
        assert not made.HasField("parent_uuid") or made.parent_uuid in self.tracks, "the parent does not exist"
        self.tracks[made.uuid] = made
        if made.HasField("process"):
            assert made.process.process_name and made.process.pid not in self.picture.processes
            assert not made.HasField("parent_uuid")
            self.picture.processes[made.process.pid] = made.process.process_name
        elif made.HasField("thread"):
            assert made.thread.thread_name and made.thread.tid > 0
            others = [track.thread.tid for track in self.tracks.values() if track.HasField("thread")]
            assert others.count(made.thread.tid) == 1, "a thread's number is used twice"
            assert self.tracks[made.parent_uuid].process.pid == made.thread.pid
            self.picture.threads[made.thread.thread_name] = self.picture.processes[made.thread.pid]
        else:
            assert made.name and made.HasField("parent_uuid")

    def _name_of(self, track: Any) -> str:
        return track.name or track.thread.thread_name or track.process.process_name

    # --- events ------------------------------------------------------------------------------------------------------

    def _event(self, ns: int, event: Any) -> None:
        track = self.tracks[event.track_uuid]
        assert ns >= self.last_ns[event.track_uuid], "time goes back"
        self.last_ns[event.track_uuid] = ns
        assert (event.type == TrackEvent.TYPE_COUNTER) == track.HasField("counter"), "counters have tracks of their own"
        if event.type == TrackEvent.TYPE_COUNTER:
            process = self.tracks[track.parent_uuid].process.process_name
            self.picture.counters[process, track.name].append((ns, event.counter_value))
        elif event.type == TrackEvent.TYPE_SLICE_END:
            assert not event.HasField("name_iid")
            self.open[event.track_uuid].pop().end_ns = ns
        else:
            self._slice(ns, event, self._name_of(track))

    def _slice(self, ns: int, event: Any, track: str) -> None:
        assert event.type in (TrackEvent.TYPE_SLICE_BEGIN, TrackEvent.TYPE_INSTANT)
        around = self.open[event.track_uuid]
        made = Slice(
            track=track,
            name=self.names["event_names", event.name_iid],
            start_ns=ns,
            depth=len(around),
            notes={
                self.names["debug_annotation_names", note.name_iid]: _value(note) for note in event.debug_annotations
            },
            flows=self._flows(event),
            parent=around[-1] if around else None,
            is_instant=event.type == TrackEvent.TYPE_INSTANT,
        )
        assert len(made.notes) == len(event.debug_annotations), "a note is there twice"
        self.picture.slices.append(made)
        if not made.is_instant:
            around.append(made)

    def _flows(self, event: Any) -> list[int]:
        flows = [*event.flow_ids, *event.terminating_flow_ids]
        for flow in flows:
            assert flow and flow not in self.ended_flows, "a flow goes on after its end"
            self.flows[flow] += 1
        self.ended_flows.update(event.terminating_flow_ids)
        return flows


def _value(note: Any) -> Any:
    kind = note.WhichOneof("value")
    assert kind is not None, "a note has no value"
    return getattr(note, kind)


def read(data: bytes) -> Picture:
    """Read a trace. Raises: AssertionError if it breaks a rule."""
    trace = Trace()
    assert trace.ParseFromString(data) == len(data)
    assert trace.SerializeToString() == data, "there are fields that the format does not have"
    return _Reader().read(list(trace.packet))
