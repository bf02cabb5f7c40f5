"""The panel `memory`: the stack, code by its symbol, what a store changes, and what is not there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs
from view_support import PLAIN, check_text, text_of, view_of
from vm_views import SIZES, machine_session, seek, vms_session

from arm_hyp.errors import UserError
from arm_hyp.timeline.process import messages as ask
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.memory import MemoryPanel
from arm_hyp.tui.view import View

GUEST = "25-demand-paging.s"
STORE = 4
"""The instruction that stores 0x5a at 0x4040_0008 runs here."""


def at(panel: MemoryPanel, n: int = 0, last: View | None = None) -> View:
    session = vms_session(GUEST)
    seek(session, n)
    return view_of(session, [panel], last=last)


def of(panel: MemoryPanel, address: str, n: int = 0) -> View:
    panel.answer(address, at(panel, n))
    return at(panel, n)


@pytest.mark.parametrize("size", SIZES)
def test_code_looks_like_this(size: tuple[int, int], regenerate: bool):
    panel = MemoryPanel()
    check_text(f"memory/{size[0]}x{size[1]}", text_of(panel, of(panel, "_start"), *size), regenerate)


def test_it_begins_at_the_pc_where_there_is_no_stack():
    session, panel = machine_session("05-stage2-faults.s"), MemoryPanel()
    seek(session, 0)
    text = text_of(panel, view_of(session, [panel]), 60, 12)
    assert text.startswith("VA 0000_0000_4008_0000 _start\n")


def test_words_are_aligned_and_little_endian():
    panel = MemoryPanel()
    line = text_of(panel, of(panel, "0x4008002d"), 60, 12).splitlines()[1]
    assert line == "word f940_0261  doubleword f940_0261_5800_7b53"


def test_bytes_that_changed_are_marked():
    panel = MemoryPanel()
    before = of(panel, "0x40400000", STORE + 1)
    assert "*" not in text_of(panel, before, 60, 12, PLAIN)
    session = vms_session(GUEST)
    seek(session, STORE + 10)
    view = view_of(session, [panel], last=replace(before, answers=_with(before, 8, 0)))
    lines = panel.lines(view, 60, 12, Look())
    assert [line.plain[0] for line in lines[2:5]] == [" ", "•", " "]
    styles = [span.style for span in lines[3].spans if not isinstance(span.style, str)]
    assert [style.meta["at"] for style in styles if style.bold and style.meta] == [0x4040_0008, 0x4040_0008]


def _with(view: View, offset: int, value: int) -> dict[ask.Message, object]:
    """Return the answers with one byte of memory different."""
    changed = dict(view.answers)
    for message, answer in view.answers.items():
        if isinstance(message, ask.Memory):
            data = bytearray(answer.data)  # type: ignore[union-attr]
            data[offset] = value
            changed[message] = structs.replace(answer, data=bytes(data))  # type: ignore[type-var]
    return changed  # type: ignore[return-value]


def test_memory_that_is_not_mapped_says_so():
    panel = MemoryPanel()
    text = text_of(panel, of(panel, "0x40400000"), 60, 12)
    assert text.endswith("nothing can be read from 0000_0000_4040_0000 on\n")


def test_the_end_of_the_address_space_is_an_end():
    panel = MemoryPanel()
    text = text_of(panel, of(panel, "0xffffffffffffffff"), 60, 12)
    assert text.startswith("VA ffff_ffff_ffff_ffff\n")


def test_keys_choose_other_bytes_and_scroll():
    panel = MemoryPanel()
    view = of(panel, "_start")
    text_of(panel, view, 60, 12)  # rows of 8 bytes, 10 of them
    steps = [(panel.row_down, 0x8008), (panel.page_down, 0x8058), (panel.page_up, 0x8008), (panel.row_up, 0x8000)]
    for step, low in steps:
        step(view)
        view = at(panel)
        text = text_of(panel, view, 60, 12)
        assert text.startswith(f"VA 0000_0000_4008_{low - 0x8000:04x}")
        assert f"{low - 0x8000 & -8:04x}" in "".join(line[6:10] for line in text.splitlines()[2:])
    panel.row_up(view)
    assert next(one for one in panel.wants(view) if isinstance(one, ask.Memory)).address == 0x4007_FFF0


def test_a_click_chooses_a_byte_and_other_clicks_are_not_taken():
    panel = MemoryPanel()
    view = of(panel, "_start")
    assert panel.click({"at": 0x4008_0011}, view) and not panel.click({"explain": "SP"}, view)
    assert text_of(panel, at(panel), 60, 12).startswith("VA 0000_0000_4008_0011 _start+0x11")


def test_spaces_go_round_and_the_guests_are_those_of_the_vcpu():
    panel = MemoryPanel()
    view = of(panel, "_start")
    asked = []
    for _ in range(4):
        message = next(one for one in panel.wants(view) if isinstance(one, ask.Memory))
        asked.append((message.space, message.whose.vm, panel.heading(view)))
        panel.next_space(view)
    assert asked == [
        ("va", 0, "memory by VA of a/vcpu0"),
        ("ipa", 0, "memory by IPA of a/vcpu0"),
        ("pa", None, "memory by PA"),
        ("va", 0, "memory by VA of a/vcpu0"),
    ]


def test_nonsense_is_refused():
    panel = MemoryPanel()
    with pytest.raises(UserError):
        panel.answer("nowhere", at(panel))
