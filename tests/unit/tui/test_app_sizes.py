"""Sizes and looks: too small and back, resized while it runs, ASCII alone, no colours."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from app_support import Driven, opened, process, run, written

from arm_hyp.tui.look import ASCII, MONO, PALETTES, UNICODE, Look

TINY = [(20, 5), (39, 11), (39, 24), (80, 11), (1, 1)]
COLOUR = re.compile(r"\x1b\[[\d;]*?(?<!\d)(?:3[0-7]|38|4[0-7]|48|9[0-7]|10[0-7])(?!\d)[\d;]*m")


async def resize(driven: Driven, width: int, height: int) -> None:
    await driven.pilot.resize_terminal(width, height)
    await driven.settle()


@pytest.mark.parametrize("size", TINY)
def test_a_screen_that_is_too_small_says_so_and_keys_still_work(size: tuple[int, int]) -> None:
    async def test() -> None:
        async with opened(size=size) as driven:
            assert driven.bar.strip().startswith("too small: 40x12 at least"[: max(size[0] - 3, 0)])
            assert driven.panels == []
            await driven.press("pagedown", "tab", "5", "z", "full_stop", "y", "minus", "enter", "i", "escape")
            await driven.press("question_mark", "escape", "g", "escape", "B", "escape", "ctrl+p", "escape")
            await resize(driven, 80, 24)
            assert driven.place == "10.2" and driven.app.focused_panel is not None and "┏" in driven.text

    run(test())


def test_it_shrinks_and_grows_again() -> None:
    async def test() -> None:
        async with opened(size=(120, 40)) as driven:
            before = driven.lines
            for size in ((20, 5), (80, 24), (39, 11), (200, 60), (40, 12), (120, 40)):
                await resize(driven, *size)
                assert (len(driven.lines), len(driven.lines[0])) == (size[1], size[0])
                assert ("too small" in driven.text) == (size in ((20, 5), (39, 11)))
            assert driven.lines == before

    run(test())


def test_it_is_resized_while_it_runs(tmp_path: Path) -> None:
    (tmp_path / "loop.s").write_text("1: add x0, x0, #1\n b 1b\n")

    async def test() -> None:
        async with opened(process(tmp_path / "loop.s"), size=(80, 24), is_live=True, speed=4) as driven:
            await driven.pilot.press("space")
            for size in ((20, 5), (200, 60), (80, 24)):
                n = driven.app.driver.now.position.n
                await driven.pilot.resize_terminal(*size)
                await driven.until(lambda n=n: driven.app.driver.now.position.n > n)  # type: ignore[misc]
            assert driven.app.running.goes_on
            await driven.press("space")
            assert "paused" in driven.bar and "3 registers" in driven.text

    run(test())


@pytest.mark.parametrize("palette", PALETTES)
def test_with_ascii_alone_nothing_else_is_written(palette: str) -> None:
    async def test() -> None:
        with written() as found:
            async with opened(size=(120, 40), look=Look(PALETTES[palette], ASCII)) as driven:
                await driven.press("pagedown", "w", "B", "escape", "question_mark", "escape", "g", "escape", "y")
                await driven.press(*"1234567890")
                await driven.press("ctrl+p", "w", "h", "y")
                await driven.until(lambda: "why (y)" in driven.text)
        assert not {one for one in "".join(found) if ord(one) > 0x7E}

    run(test())


def test_without_colours_none_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def test() -> None:
        with written() as found:
            async with opened(size=(120, 40), look=Look(MONO, UNICODE)) as driven:
                await driven.press("pagedown", "w", "B", "escape", "question_mark", "escape", "g", "4", "escape", "y")
        text = "".join(found)
        assert "\x1b[1;" in text, "attributes are"
        assert not COLOUR.findall(text)

    run(test())


def test_what_is_too_long_for_the_bottom_line_stands_above_it_until_the_next_key() -> None:
    async def test() -> None:
        async with opened(size=(80, 24)) as driven:
            await driven.press("g")
            await driven.write("nowhere" * 9)
            words = "is no position, mark, symbol or address; marks: none yet"
            assert words in " ".join(line.strip("┃ ") for line in driven.lines) and "PgDn trap" in driven.bar
            await driven.press("right")
            assert "is no position" not in driven.text

    run(test())
