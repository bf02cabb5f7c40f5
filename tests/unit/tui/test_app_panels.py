"""The screen as a whole: panels by digit and palette, any of them alone, all keys in the help, keys that are held."""

from __future__ import annotations

import pytest
from app_support import configuration, opened, run
from rich.cells import cell_len
from textual.command import CommandList

from arm_hyp.timeline.process.session import Session
from arm_hyp.tui.keys import ACTIONS, DIGITS
from arm_hyp.tui.panels.catalogue import NAMES


def test_all_keys_stand_in_the_help() -> None:
    async def test() -> None:
        async with opened(size=(120, 100)) as driven:
            await driven.press("question_mark")
            told = " ".join(driven.text.replace("│", " ").split())
            for action in ACTIONS:
                assert f"{action.shown} {action.words}" in told

    run(test())


@pytest.mark.parametrize("digit", DIGITS)
def test_a_digit_shows_its_panel_and_gives_it_the_keys(digit: str) -> None:
    async def test() -> None:
        async with opened(size=(80, 24)) as driven:
            await driven.press(digit)
            assert driven.focused == NAMES[DIGITS.index(digit)] and f" {digit} " in driven.text

    run(test())


@pytest.mark.parametrize("size", [(40, 12), (200, 60)])
def test_every_panel_alone_fills_any_screen(size: tuple[int, int]) -> None:
    async def test() -> None:
        async with opened(size=size) as driven:
            await driven.press("pagedown")
            for name in NAMES:
                driven.app.zoom(name)
                await driven.settle()
                assert (driven.panels, driven.focused) == ([name], name)
                assert {cell_len(line) for line in driven.lines} == {size[0]} and len(driven.lines) == size[1]
                assert driven.lines[0][0] == "┏" and driven.lines[-2][-1] == "┛"

    run(test())


@pytest.mark.parametrize(("words", "panel"), [("panel timers", "timers"), ("whole card", "trap")])
def test_the_palette_finds_panels_and_actions_by_name_and_words(words: str, panel: str) -> None:
    async def test() -> None:
        async with opened() as driven:
            await driven.press("ctrl+p")
            await driven.pilot.press(*(" ".join(words).replace("   ", " space ").split()))
            found = driven.app.screen.query_one(CommandList)
            await driven.until(lambda: found.option_count == 1 and found.highlighted == 0)
            await driven.press("enter")
            await driven.until(lambda: len(driven.app.screen_stack) == 1)
            await driven.settle()
            assert driven.focused == panel

    run(test())


def test_fifty_steps_of_a_key_that_is_held_end_where_they_should() -> None:
    async def test() -> None:
        async with opened() as driven:
            await driven.pilot.press(*["right"] * 50, *["left"] * 7)
            await driven.settle()
            reached = driven.place
        session = Session(configuration("02-wfi.s", "HCR_EL2.TWI=1"))
        session.timeline.step(50)
        session.timeline.step_back(7)
        assert reached == str(session.timeline.position)

    run(test())
