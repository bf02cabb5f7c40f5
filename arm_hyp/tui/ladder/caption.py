"""The sentence under the ladder: why the trap at the cursor was taken, or what happens there and what comes next.

Read `tui/ladder/spans.py` and `explain/why.py` before this file, `tui/ladder/panel.py` after it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from rich.text import Text

from arm_hyp.events import ExceptionTaken
from arm_hyp.explain.why import Why
from arm_hyp.tui.ladder.lanes import lane_name
from arm_hyp.tui.ladder.spans import Span, Via
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.drawing import visible
from arm_hyp.tui.text import flowed
from arm_hyp.tui.view import View, number

_GAP: Final = 2
_BECAUSE: Final = " because "
_CALL: Final = re.compile(r".* at EL\d is (?=a )")


class Scene(NamedTuple):
    """What the caption speaks of: the span at the cursor, the one before, the next one, and the names of VMs."""

    span: Span
    before: Span | None
    following: Span | None
    vms: Sequence[str]


def caption(view: View, scene: Scene, width: int, most: int, look: Look) -> list[Text]:
    """Return the caption: one line where it fits, else up to `most`, the keys at the right of the last one."""
    variants = _of_trap(view, scene, look) if _is_at_trap(view, scene) else _of_place(view, scene, look)
    hints = _hints(view, scene, look)
    for end, text in [(end, text) for end in (hints, Text()) for text in variants]:
        room = width - text.cell_len - end.cell_len
        if room >= (_GAP if end else 0):
            return [Text.assemble(text, " " * room, end)]
        lines = flowed(text, width)
        if most > 1 and len(lines) <= most and lines[-1].cell_len + _GAP + end.cell_len <= width:
            lines[-1] = Text.assemble(lines[-1], " " * (width - lines[-1].cell_len - end.cell_len), end)
            return lines
        if len(lines) < most and end:
            return [*lines, Text.assemble(" " * (width - end.cell_len), end)]
    return _cut(flowed(variants[-1], width), most, width, look)


def _cut(lines: list[Text], most: int, width: int, look: Look) -> list[Text]:
    """Return the first lines, with a mark where the rest is left out."""
    if len(lines) > most:
        lines[most - 1].truncate(max(width - 1, 0))
        lines[most - 1].append(look.glyphs.more, look.style("dim"))
    return lines[:most]


def _is_at_trap(view: View, scene: Scene) -> bool:
    return view.is_at_trap and view.why is not None and scene.span.start == view.position


def _hints(view: View, scene: Scene, look: Look) -> Text:
    if not _is_at_trap(view, scene):
        return Text()
    assert view.why is not None
    pairs = [("y", "why", "why")] + [("w", "flip it", "whatif")] * bool(view.why.bits)
    made = Text()
    for key, words, action in pairs:
        made.append("  " if made else "")
        made.append(key, look.style("key", press=action)).append(f" {words}", look.style("dim", press=action))
    return made


# --- at a trap --------------------------------------------------------------------------------------------------------


def _of_trap(view: View, scene: Scene, look: Look) -> list[Text]:
    """Return the caption of a trap, the longest first."""
    assert view.trap is not None and view.why is not None
    full, short = _reasons(view.trap, view.why)
    head, place = _head(scene, look), _place(view, view.trap.pc)
    at = Text.assemble(" at ", (place, look.style("strong", go=tuple(view.position)))) if place else Text()
    said = (_with_bits(full, view.why, look), _with_bits(short, view.why, look))
    return [
        Text.assemble(head, at, ": ", said[0]),
        Text.assemble(head, at, ": ", said[1]),
        Text.assemble(head, ": ", said[1]),
    ]


def _role(span: Span) -> str:
    return {Via.TRAP: "trap", Via.IRQ: "irq"}.get(span.via, "ret")


def _head(scene: Scene, look: Look) -> Text:
    """Say what led where: a triangle, the name, two lanes."""
    span, before = scene.span, scene.before
    if span.via is Via.ILLEGAL and span.row is not None:
        style = look.style("bad", explain="ERET")
        text = f" to EL{span.row.to_el} is illegal, and stays at EL{span.lane.el}"
        return Text.assemble((f"{look.glyphs.fault} ERET", style), text)
    mark = look.glyphs.up if span.via in (Via.TRAP, Via.IRQ) else look.glyphs.down
    style = look.style(_role(span), explain=span.word)
    made = Text.assemble((f"{mark} {span.name or 'ERET'}", style), "  ")
    if before is not None:
        made.append(f"{lane_name(before.lane, scene.vms)} {look.glyphs.arrow} ")
    return made.append(lane_name(span.lane, scene.vms))


def _place(view: View, address: int) -> str:
    found = visible(view.subject.symbols.describe(address))
    return found or number(address, 8 if address < 1 << 32 else 16)


@lru_cache(maxsize=256)
def _parts(sentence: str) -> tuple[str, str]:
    """Return the reason out of a sentence, and the short form of it."""
    text = sentence.rstrip(".")
    call = _CALL.match(text)
    if call is not None:
        return text[call.end() :], text[call.end() :].partition(": ")[0]
    if _BECAUSE in text:
        reason = text.partition(_BECAUSE)[2]
        return reason, reason.partition(": ")[0]
    reason = (text.partition(": ")[2] or text).removeprefix("data abort, ").removeprefix("instruction abort, ")
    return reason, reason.partition("; ")[0]


def _reasons(event: ExceptionTaken, why: Why) -> tuple[str, str]:
    if event.kind == "sync":
        return _parts(why.sentence)
    bits = " and ".join(f"{register}.{field} is {value}" for register, field, value in why.bits)
    return why.sentence.rstrip("."), bits or why.sentence.rstrip(".")


def _with_bits(text: str, why: Why, look: Look) -> Text:
    """Mark the bits that decide, in brackets: each can be flipped and explained."""
    made, done = Text(), 0
    for start, end, name in _fields_in(text, why):
        made.append(text[done:start])
        made.append(f"[{text[start:end]}]", look.style("deciding", flip=name, explain=name))
        done = end
    return made.append(text[done:])


def _fields_in(text: str, why: Why) -> list[tuple[int, int, str]]:
    """Return where a text names the fields that decide: start, end, and the name with that of the register."""
    found = []
    for register, fields, _ in why.bits:
        for field in fields.split(","):
            whole = re.search(rf"\b{register}\.{field}\b", text)
            match = whole or re.search(rf"\b{field}\b", text)
            if match is not None:
                found.append((match.end() - len(field), match.end(), f"{register}.{field}"))
    return sorted(set(found))


# --- anywhere else ----------------------------------------------------------------------------------------------------


def _of_place(view: View, scene: Scene, look: Look) -> list[Text]:
    """Return what happens at the cursor, and what is next, the longest first."""
    if view.status.difference and view.position >= view.status.frontier:
        mark = (f"{look.glyphs.fault} ", look.style("bad"))
        return [Text.assemble(mark, "this is not the recorded run: ", visible(view.status.difference))]
    if view.status.outcome and view.position >= view.status.frontier:
        mark = (f"{look.glyphs.end} ", look.style("strong"))
        return [Text.assemble(mark, "the end: ", visible(view.status.outcome))]
    here, then, behind = _here(view, scene, look), _next(scene, look), _behind(view, scene)
    return [
        Text.assemble(here, behind, then),
        Text.assemble(here, then),
        here,
    ]


def _here(view: View, scene: Scene, look: Look) -> Text:
    if scene.span.row is not None and view.position == scene.span.start:
        made = _head(scene, look)
    else:
        made = Text.assemble("in ", (lane_name(scene.span.lane, scene.vms), look.style(f"el{scene.span.lane.el}")))
    place = _pc(view, scene.span)
    return made.append(" at ").append(place, look.style("strong")) if place else made


def _pc(view: View, span: Span) -> str:
    """Return where the CPU is, in words; nothing where Python sits: it has no address there."""
    cpu = next((cpu for cpu in view.status.cpus if cpu.index == view.cpu), None)
    return "" if cpu is None or span.is_python else _place(view, cpu.pc)


def _behind(view: View, scene: Scene) -> str:
    """Say how far behind the last exception or return this is."""
    span, count = scene.span, view.position.n - scene.span.start.n
    if span.row is None or not count:
        return ""
    name = span.name or "ERET"
    return f", {count:,} instruction{'s' * (count > 1)} after the {name}"


def _next(scene: Scene, look: Look) -> Text:
    """Say what comes next, and where."""
    following = scene.following
    if following is None:
        return Text("" if scene.span.row is not None else "; no exception and no return so far")
    name, at = following.name or "ERET", following.start
    role = _role(following)
    return Text.assemble(
        "; next: ",
        (name, look.style(role, go=tuple(at), explain=following.word)),
        (f" at {at.n:,}", look.style("dim", go=tuple(at))),
    )
