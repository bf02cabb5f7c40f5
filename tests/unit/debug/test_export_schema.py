"""The published schema of a trace's lines: it is that of the event types, and says what a line may hold."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from export_runs import CASES, Case, TimedSink, name_of, run
from jsonschema import Draft202012Validator

from arm_hyp.debug.exports.schema import schema_text
from arm_hyp.debug.exports.virtual_time import Clock
from arm_hyp.events import SCHEMA_VERSION, EventSink
from arm_hyp.kvm_events import AnyEvent
from arm_hyp.runner.runner import Runner

PUBLISHED = Path(__file__).parents[3] / "docs" / "trace-schema.json"


@cache
def validator() -> Draft202012Validator:
    schema = msgspec.json.decode(PUBLISHED.read_bytes())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def lines_of(case: Case) -> list[dict[str, Any]]:
    """Run a guest, and return its trace as a reader of JSON Lines has it."""
    kept: list[TimedSink] = []

    def make(clock: Clock, _: Runner) -> tuple[EventSink, ...]:
        kept.append(TimedSink(clock))
        return (kept[0],)

    run(case, make)
    return [msgspec.json.decode(msgspec.json.encode(event)) for event, _ in kept[0].events]


def shape(line: dict[str, Any]) -> tuple[object, ...]:
    """Return what the validity of a line depends on, but for the words that a field may hold."""
    return line["event"], *((name, type(value)) for name, value in line.items())


def test_the_published_schema_is_that_of_the_event_types() -> None:
    written = "run: python -m arm_hyp.debug.exports.schema > docs/trace-schema.json"
    assert PUBLISHED.read_text(encoding="utf-8") == schema_text(), written


def test_the_schema_names_its_version_and_every_event() -> None:
    schema = msgspec.json.decode(schema_text())
    assert str(SCHEMA_VERSION) in schema["title"].split()
    tags = {definition["properties"]["event"]["enum"][0] for definition in schema["$defs"].values()}
    assert tags == {str(kind.__struct_config__.tag) for kind in AnyEvent.__args__}


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_the_lines_of_a_trace_are_valid(case: Case) -> None:
    lines = {shape(line): line for line in lines_of(case)}
    for line in lines.values():
        validator().validate(line)


@pytest.mark.parametrize(
    "change",
    [
        {"event": "no_such_event"},
        {"event": None},
        {"n": "12"},
        {"seq": 1.5},
        {"pc": None},
        {"vcpu": "0"},
        {"ret": "NMI"},
        {"esr": None},
    ],
    ids=str,
)
def test_a_line_with_a_wrong_value_is_not_valid(change: dict[str, object]) -> None:
    line = next(line for line in lines_of(CASES[10]) if line["event"] == "kvm_exit")
    assert validator().is_valid(line) and not validator().is_valid(line | change)


@pytest.mark.parametrize("field", ["event", "n", "vm", "vcpu", "time_ns", "esr_ec"])
def test_a_line_without_a_field_is_not_valid(field: str) -> None:
    line = next(line for line in lines_of(CASES[10]) if line["event"] == "kvm_exit")
    assert not validator().is_valid({name: value for name, value in line.items() if name != field})


def test_a_line_may_have_fields_that_a_newer_version_added() -> None:
    line = lines_of(CASES[0])[0]
    assert validator().is_valid(line | {"why": "a later version says it"})
