"""The JSON schema of a line of a JSON Lines trace, made from the event types: `docs/trace-schema.json`.

Read `events.py` and `kvm_events.py` before this file. After a change there write the file again:

    python -m arm_hyp.debug.exports.schema > docs/trace-schema.json

A line that a newer version wrote is valid too, as far as this version knows it: there may be further fields. An event
type that is not here makes a line invalid, so a reader should look at `schema` of the first line before it complains.
"""

from __future__ import annotations

import sys
from typing import Any, Final

import msgspec

from arm_hyp.events import SCHEMA_VERSION
from arm_hyp.kvm_events import AnyEvent

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def trace_schema() -> dict[str, Any]:
    """Return the schema of one line, as JSON Schema 2020-12."""
    lines, types = msgspec.json.schema_components(AnyEvent.__args__, ref_template="#/$defs/{name}")
    title = f"A line of a trace of arm-hyp, schema version {SCHEMA_VERSION}"
    return {"$schema": _DIALECT, "title": title, "type": "object", "oneOf": list(lines), "$defs": types}


def schema_text() -> str:
    """Return the schema as the file holds it."""
    return msgspec.json.format(msgspec.json.encode(trace_schema()), indent=2).decode() + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
