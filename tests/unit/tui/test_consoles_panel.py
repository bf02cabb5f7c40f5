"""The panel `consoles`: two guests, floods, and escape sequences that are not obeyed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs
from view_support import check_text, text_of, view_of
from vm_views import SIZES, machine_session, seek, vms_session

from arm_hyp.timeline.position import START
from arm_hyp.timeline.process.answers import Chunk, ConsoleAnswer, Failed
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.consoles import ConsolesPanel
from arm_hyp.tui.view import View

END = 1 << 40


def printed(panel: ConsolesPanel, *pieces: bytes, before: int = 0) -> View:
    """Return a view of a guest that has printed these pieces, after so many other bytes."""
    view = view_of(vms_session("26-virtual-timer.s", 1), [panel])
    size = before + sum(map(len, pieces))
    view = replace(view, status=structs.replace(view.status, consoles=(size,)))
    message = next(iter(panel.wants(view)))
    data = b"".join(pieces)[max(message.start - before, 0) :]  # type: ignore[union-attr]
    answer = ConsoleAnswer(message.start, (Chunk(START, data),))  # type: ignore[union-attr]
    return replace(view, answers={message: answer})


@pytest.mark.parametrize("size", SIZES)
def test_output_looks_like_this(size: tuple[int, int], regenerate: bool):
    panel = ConsolesPanel()
    boot = b"\x1b[2J\x1b[1;33mU-Boot 2024.01\x1b[0m\r\n\r\nDRAM:  128 MiB\r\nloading   50%\rloading  100%\r\n"
    view = printed(panel, boot, b"\x07a line that is longer than a narrow console " * 2, b"\r\n=> ")
    check_text(f"consoles/{size[0]}x{size[1]}", text_of(panel, view, *size), regenerate)


def test_a_cell_leads_to_the_byte_that_it_shows():
    panel, look = ConsolesPanel(), Look()
    lines = panel.lines(printed(panel, b"one\r\n\x1b[1mtwo\r\n"), 60, 12, look)
    places = [[span.style.meta["printed"] for span in line.spans] for line in lines]  # type: ignore[union-attr]
    assert places == [[(0, 0), (0, 1), (0, 2)], [(0, 9), (0, 10), (0, 11)]]


def test_a_real_guest_prints_at_its_offsets():
    session, panel = vms_session("27-neighbours.s", 2), ConsolesPanel()
    seek(session, END)
    view = view_of(session, [panel])
    assert panel.heading(view) == "console of a (1 of 2)"
    assert text_of(panel, view, 60, 8) == "PASS\n"
    panel.next_vm(view)
    view = view_of(session, [panel])
    first = panel.lines(view, 60, 8, Look())[0].spans[0].style
    assert panel.heading(view) == "console of b (2 of 2)" and panel.vm == 1
    assert first.meta == {"printed": (1, 0)}  # type: ignore[union-attr]


def test_where_there_is_room_the_ends_of_several_are_shown_and_which_one_is_typed_to():
    session, panel = vms_session("27-neighbours.s", 2), ConsolesPanel()
    seek(session, END)
    view = view_of(session, [panel])
    expected = ["▸ a", "PASS", "", "", "", "", "", "  b", "PASS", "", "", ""]
    assert text_of(panel, view, 60, 13).splitlines() == expected
    panel.next_vm(view)
    lines = panel.lines(view, 60, 13, Look())
    assert lines[0].plain == "  a" and lines[7].plain == "▸ b"
    assert lines[8].spans[0].style.meta == {"printed": (1, 0)}  # type: ignore[union-attr]


def test_the_last_line_stays_in_sight():
    panel = ConsolesPanel()
    view = printed(panel, b"line\n" * 100, b"last")
    lines = panel.lines(view, 60, 12, Look())
    assert panel.anchor(view) == len(lines) - 1 == 100 and lines[-1].plain == "last"


def test_of_a_flood_only_the_end_is_read_and_more_if_asked_for():
    panel = ConsolesPanel()
    flood = b"0123456789abcde\n" * 8192
    view = printed(panel, flood)
    (message,) = panel.wants(view)
    assert message.start == len(flood) - 4096  # type: ignore[union-attr]
    lines = panel.lines(view, 60, 12, Look())
    assert lines[0].plain == "… 126,976 bytes before this"
    assert {line.plain for line in lines[1:]} == {"0123456789abcde"}
    panel.show_older(view)
    (message,) = panel.wants(view)
    assert message.start == len(flood) - 61440  # type: ignore[union-attr]


def test_half_a_line_at_the_beginning_is_left_out():
    panel = ConsolesPanel()
    lines = panel.lines(printed(panel, b"x" * 9000 + b"\n" + b"whole\n" * 2, before=1 << 14), 60, 12, Look())
    assert [line.plain for line in lines[1:]] == ["whole", "whole"]


def test_the_next_view_uses_the_lines_again():
    panel, look = ConsolesPanel(), Look()
    first = panel.lines(printed(panel, b"one\n", b"two\n"), 60, 12, look)
    second = panel.lines(printed(panel, b"one\n", b"two\n", b"three\n"), 60, 12, look)
    assert second[0] is first[0] and second[1] is first[1]


def test_nothing_printed_and_a_reading_that_failed_are_said():
    session, panel = machine_session("05-stage2-faults.s"), ConsolesPanel()
    seek(session, 0)
    view = view_of(session, [panel])
    assert text_of(panel, view, 60, 12).startswith("Nothing was printed up to here.")
    assert panel.anchor(view) is not None
    (message,) = panel.wants(view)
    broken = replace(view, answers={message: Failed("console 0", "there is no such place")})
    assert text_of(panel, broken, 60, 12) == "✗ console 0: there is no such place\n"
