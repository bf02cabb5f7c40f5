"""CSV: a row an event, with the values of the event in their columns."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from export_runs import CASES, Case, TimedSink, name_of, run

from arm_hyp.cli.export import DRAWN
from arm_hyp.debug.exports.formats import FORMATS
from arm_hyp.debug.exports.table import COLUMNS, CsvSink
from arm_hyp.debug.exports.virtual_time import Clock
from arm_hyp.events import EventSink, ExceptionTaken
from arm_hyp.kvm_events import AnyEvent, KvmExit, VmEvent
from arm_hyp.runner.runner import Runner

DOCUMENT = (Path(__file__).parents[3] / "docs" / "exports.md").read_text(encoding="utf-8")
SMP = Case("28-vm-smp", vcpus=2)


def exported(case: Case) -> tuple[TimedSink, list[dict[str, str]]]:
    """Run a guest. Return its events with their times, and the rows by column."""
    file, kept = io.StringIO(), list[TimedSink]()

    def make(clock: Clock, runner: Runner) -> tuple[EventSink, ...]:
        kept.append(TimedSink(clock))
        return kept[0], CsvSink(file, clock, lambda: runner.symbols)

    run(case, make)
    reader = csv.DictReader(io.StringIO(file.getvalue()), strict=True)
    assert tuple(reader.fieldnames or ()) == COLUMNS
    return kept[0], list(reader)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_each_event_is_a_row_that_holds_all_of_it(case: Case) -> None:
    timed, rows = exported(case)
    assert len(rows) == len(timed.events) > 1
    for (event, ns), row in zip(timed.events, rows, strict=True):
        assert None not in row and None not in row.values(), "cells are missing, or there are too many"
        values: dict[str, Any] = {"event": row["event"], "pc": int(row["pc"], 16), **msgspec.json.decode(row["fields"])}
        values |= {name: int(row[name]) for name in ("n", "seq", "cpu", "el")}
        if row["vm"]:
            values |= {"vm": row["vm"], "vcpu": int(row["vcpu"]) if row["vcpu"] else None, "time_ns": ns}
        if isinstance(event, ExceptionTaken):
            values["controls"] = event.controls
        values |= {"time_ns": ns} if hasattr(event, "time_ns") else {}
        assert msgspec.convert(values, AnyEvent) == event
        assert int(row["time_ns"]) == ns


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_events_of_vms_happen_at_the_time_that_they_tell(case: Case) -> None:
    timed, _ = exported(case)
    assert all(event.time_ns == ns for event, ns in timed.events if isinstance(event, VmEvent))
    times = [ns for _, ns in timed.events]
    assert times == sorted(times)


def test_exits_can_be_counted_by_class() -> None:
    timed, rows = exported(SMP)
    classes = [row["class"] for row in rows if row["event"] == "kvm_exit"]
    assert len(classes) == sum(isinstance(event, KvmExit) for event, _ in timed.events)
    assert set(classes) == {"IABT_LOW", "SYS64", "DABT_LOW", "HVC64", "SMC64", "WFx"}


def test_a_row_says_in_words_what_happened() -> None:
    _, rows = exported(SMP)
    trap = next(row for row in rows if row["n"] == "24" and row["event"] == "exception_taken")
    assert trap["text"].startswith("hvc #0 HVC #0x0") and (trap["el"], trap["to_el"], trap["class"]) == (
        "1",
        "2",
        "HVC64",
    )
    assert {row["class"] for row in rows if row["event"] == "kvm_entry"} == {""}


def first_cells(heading: str) -> list[str]:
    """Return the names in the first column of the table of a section."""
    section = DOCUMENT.partition(heading)[2].partition("\n#")[0]
    cells = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def test_the_columns_and_the_formats_are_documented() -> None:
    assert first_cells("## The columns of CSV") == list(COLUMNS)
    assert first_cells("# A run in other tools") == ["--to", *FORMATS, *DRAWN]
