"""`docs/trace-format.md` says which events there are, and which fields they have, exactly as the types do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from arm_hyp.events import SCHEMA_VERSION, Event
from arm_hyp.kvm_events import AnyEvent, VmEvent

DOCUMENT = (Path(__file__).parents[3] / "docs" / "trace-format.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(?P<event>\w+)` \| (?P<fields>`\w+`(?:, `\w+`)*) \|", re.MULTILINE)
SECTION = re.compile(r"^### `(\w+)`\n(.*?)(?=^##)", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"`(\w+)`")


def names_of_first_column(text: str) -> set[str]:
    cells = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    return {name for cell in cells for name in NAME.findall(cell)}


def documented() -> dict[str, set[str]]:
    rows = {row["event"]: set(NAME.findall(row["fields"])) for row in ROW.finditer(DOCUMENT)}
    return rows | {name: names_of_first_column(text) for name, text in SECTION.findall(DOCUMENT)}


def fields(kind: type[Event]) -> set[str]:
    return {each.encode_name for each in msgspec.structs.fields(kind)}


def declared() -> dict[str, set[str]]:
    kinds: tuple[type[Event], ...] = get_args(AnyEvent)
    bases = {kind: VmEvent if issubclass(kind, VmEvent) else Event for kind in kinds}
    return {str(kind.__struct_config__.tag): fields(kind) - fields(bases[kind]) for kind in kinds}


def test_every_event_is_documented_and_no_other() -> None:
    assert set(documented()) == set(declared())


@pytest.mark.parametrize("name", sorted(declared()))
def test_the_fields_of_an_event_are_documented(name: str) -> None:
    assert documented()[name] == declared()[name]


@pytest.mark.parametrize(
    ("heading", "own"),
    [
        ("## Fields of every event", fields(Event) | {"event"}),
        ("## Events of virtual machines", fields(VmEvent) - fields(Event)),
    ],
)
def test_the_fields_of_all_events_are_documented(heading: str, own: set[str]) -> None:
    section = DOCUMENT.partition(heading)[2].partition("\n#")[0]
    assert names_of_first_column(section) == own


def test_the_version_is_documented() -> None:
    assert f"now {SCHEMA_VERSION} (" in DOCUMENT
