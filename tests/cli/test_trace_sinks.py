"""The sinks of the trace's forms: each form has one, and that of `kvm` writes what ftrace's file has."""

from __future__ import annotations

import io

import pytest

from arm_hyp.cli.run_options import TRACE_FORMATS
from arm_hyp.cli.trace_sinks import TextSink, trace_sink
from arm_hyp.debug.exports.formats import Source
from arm_hyp.debug.exports.lines import JsonLinesSink, KvmSink
from arm_hyp.debug.exports.perfetto import PerfettoSink
from arm_hyp.debug.exports.table import CsvSink
from arm_hyp.events import Event, ExceptionReturned, Waited, hears
from arm_hyp.explain.kvm_lines import HEADER
from arm_hyp.kvm_events import KvmEntry, KvmWfxArm64, VcpuBlocked

PLACE = {"n": 12, "seq": 2, "cpu": 0, "el": 1, "pc": 0x4008_0030}
VM = {**PLACE, "vm": "vm0", "vcpu": 0, "time_ns": 1_500}
EVENTS: tuple[Event, ...] = (
    Waited(**PLACE, instruction="wfi"),
    KvmWfxArm64(**VM, vcpu_pc=0x4008_0030, is_wfe=False),
    VcpuBlocked(**VM, reason="WFI"),
    KvmEntry(**VM, vcpu_pc=0x4008_0034),
)


SOURCE = Source(lambda event: event.n)


def written(form: str) -> str:
    file = io.StringIO()
    sink = trace_sink(form, file, SOURCE)
    for event in EVENTS:
        sink.emit(event)
    sink.close()
    return file.getvalue()


def test_the_form_kvm_has_a_header_and_the_events_of_kvm() -> None:
    assert written("kvm") == HEADER + (
        "       vm0/vcpu0-1       [000] .....     0.000002: "
        "kvm_wfx_arm64: guest executed wfi at: 0x0000000040080030\n"
        "       vm0/vcpu0-1       [000] .....     0.000002: kvm_entry: PC: 0x0000000040080034\n"
    )


def test_the_columns_stand_below_their_headings() -> None:
    heading, first = HEADER.splitlines()[-2], written("kvm").splitlines()[-1]
    assert first.index("[000]") == heading.index("CPU#")
    assert first.index(".....") == heading.index("|||||")


@pytest.mark.parametrize("form", ["text", "why", "jsonl"])
def test_the_other_forms_have_every_event(form: str) -> None:
    assert len(written(form).splitlines()) == len(EVENTS)


def test_each_form_has_its_sink() -> None:
    kinds = {form: type(trace_sink(form, io.TextIOWrapper(io.BytesIO()), SOURCE)) for form in TRACE_FORMATS}
    words = {"text": TextSink, "why": TextSink}
    assert kinds == words | {"jsonl": JsonLinesSink, "kvm": KvmSink, "csv": CsvSink, "perfetto": PerfettoSink}


def test_events_that_the_form_kvm_does_not_have_need_not_be_made() -> None:
    sink = KvmSink(io.StringIO())
    assert hears(sink, KvmEntry) and not hears(sink, ExceptionReturned) and not hears(sink, VcpuBlocked)
