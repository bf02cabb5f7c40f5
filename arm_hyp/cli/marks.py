"""`arm-hyp marks run.hyp`: names for positions, kept in the recording.

Read `timeline/recordings/recording.py` before this file.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Final

import typer

from arm_hyp.cli.explain_input import JsonOption
from arm_hyp.cli.explain_trap import print_json
from arm_hyp.errors import UserError
from arm_hyp.timeline.position import Position, parse_position
from arm_hyp.timeline.recordings.recording import Recording, read_recording, write_recording

app = typer.Typer(add_completion=False)

_LONGEST_NAME: Final = 256
_RESERVED: Final = ("start", "end")


@app.command()
def marks(
    recording: Annotated[str, typer.Argument(metavar="RUN.hyp", help="What `arm-hyp run --record` wrote.")],
    add: Annotated[tuple[str, str] | None, typer.Option(metavar="NAME POS", help="Mark a position.")] = None,
    remove: Annotated[str | None, typer.Option(metavar="NAME", help="Take a mark away.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the marks of a recording, after adding or removing one.

    Where a command takes a position it takes a mark too: `arm-hyp show run.hyp --at NAME`.
    """
    made = read_recording(recording)
    changed = dict(made.marks)
    if remove is not None:
        if remove not in changed:
            known = f"there are {', '.join(sorted(changed))}" if changed else "there are none"
            raise UserError(f"--remove {remove}", "there is no such mark", known)
        del changed[remove]
    if add is not None:
        changed[_name(add[0], changed)] = _position(add[1], made)
    if changed != made.marks:
        write_recording(recording, replace(made, marks=changed))
    _print(changed, as_json=as_json)


def _name(name: str, known: dict[str, tuple[int, int]]) -> str:
    """Return a name that a new mark may have. Raises: UserError."""
    thing = f"--add {name}"
    if not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise UserError(thing, "is no name", f"give up to {_LONGEST_NAME} letters")
    if name[0].isdigit() or name in _RESERVED:
        raise UserError(thing, "would be taken for a position", "let the name begin with a letter, not start or end")
    if name in known:
        raise UserError(thing, f"is there already, at {Position(*known[name])}", f"--remove {name} first")
    return name


def _position(text: str, made: Recording) -> tuple[int, int]:
    position, end = parse_position(text), Position(made.end.n, made.end.seq)
    if position > end:
        raise UserError(f"--add {text}", f"the run ends at {end}", "mark a position before that")
    return position.n, position.seq


def _print(marks: dict[str, tuple[int, int]], *, as_json: bool) -> None:
    rows = sorted((Position(*place), name) for name, place in marks.items())
    if as_json:
        print_json([{"name": name, "position": f"{place.n}.{place.seq}"} for place, name in rows])
    for place, name in () if as_json else rows:
        print(f"{place!s:>18}  {name}")
