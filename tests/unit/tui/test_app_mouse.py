"""The mouse: whatever a cell stands for happens when it is clicked on."""

from __future__ import annotations

import pytest
from app_support import TRAP, Driven, opened, run
from textual.events import MouseScrollDown, MouseScrollUp

from arm_hyp.tui.screens import HelpScreen, TextScreen

SIZES = [(80, 24), (120, 40), (200, 60)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("letter", ["▲", "W", "I"])
def test_a_click_on_an_exception_or_its_name_goes_there(size: tuple[int, int], letter: str) -> None:
    async def test() -> None:
        async with opened(size=size) as driven:
            row = next(y for y, line in enumerate(driven.lines) if "▲ WFI" in line)
            start = driven.lines[row].index("▲")
            await driven.click(driven.lines[row].index(letter, start), row)
            assert driven.place == TRAP

    run(test())


def test_a_click_on_a_bit_flips_it_on_a_branch() -> None:
    async def test() -> None:
        async with opened() as driven:
            await driven.press("pagedown")
            await driven.click(*driven.cell("flip", "HCR_EL2.TWI"))
            assert driven.branch != "main" and "HCR_EL2.TWI is 0 here" in driven.bar

    run(test())


def test_a_click_on_a_character_goes_to_what_prints_it() -> None:
    async def test() -> None:
        async with opened(size=(200, 60)) as driven:
            await driven.press("end")
            await driven.click(*driven.cell("printed", (0, 2)))
            assert "the next instruction prints this character" in driven.bar
            before = driven.app.driver.now.status.consoles
            await driven.press("right")
            assert (before, driven.app.driver.now.status.consoles) == ((2,), (3,))

    run(test())


def test_the_word_under_the_mouse_is_explained() -> None:
    async def test() -> None:
        async with opened() as driven:
            x, y = driven.cell_where(lambda style: str(style.meta.get("explain", "")).startswith("X0"))
            await driven.pilot.hover(offset=(x, y))
            await driven.press("i")
            assert isinstance(driven.app.screen, TextScreen) and "X0" in driven.text

    run(test())


def test_a_click_on_a_key_of_the_bottom_line_is_that_key() -> None:
    async def test() -> None:
        async with opened() as driven:
            await driven.press("right", "right")  # no note hides the keys
            await driven.click(*driven.cell("press", "next_trap"))
            assert driven.place == TRAP
            await driven.click(*driven.cell("press", "help"))
            assert isinstance(driven.app.screen, HelpScreen)

    run(test())


def test_a_click_gives_a_panel_the_keys_and_the_wheel_scrolls_it() -> None:
    async def test() -> None:
        async with opened(size=(80, 24)) as driven:
            row = next(y for y, line in enumerate(driven.lines) if "3 registers" in line)
            await driven.click(20, row)
            assert driven.focused == "registers"
            before = driven.lines[row:-1]
            _scroll(driven, MouseScrollDown, row + 1)
            await driven.settle()
            assert driven.lines[row:-1] != before
            _scroll(driven, MouseScrollUp, row + 1)
            await driven.settle()
            assert driven.lines[row:-1] == before

    run(test())


def _scroll(driven: Driven, kind: type[MouseScrollDown] | type[MouseScrollUp], y: int) -> None:
    event = kind(None, 5, y, 0, 0, 0, False, False, False, screen_x=5, screen_y=y)
    driven.app.post_message(event)
