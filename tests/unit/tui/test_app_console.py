"""Typing to a guest, and what a guest prints: nothing of it reaches the terminal but as text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from app_support import RECORDINGS, Driven, configuration, opened, process, run, written

from arm_hyp.timeline.process.session import Session
from arm_hyp.timeline.recordings.replay import Replay
from arm_hyp.tui.session_link import SessionLink

ECHO = """
        ldr     x1, =0x09000000
1:      mov     x9, #20
2:      subs    x9, x9, #1
        b.ne    2b
        ldr     w2, [x1, #0x18]         // UARTFR
        tbnz    w2, #4, 1b              // RXFE
        ldr     w0, [x1]
        str     w0, [x1]
        b       1b
"""
EVIL = (
    *("\x1b]0;owned\x07", "\x1b[2J", "\x1b[?1049l", "\x1b[?25h", "\x1bc", "\x9b31m", "\x1b]52;c;b3duZWQ=\x1b\\"),
    *("\x07", "\x08", "\r", "\x0e", "\x1b[6n", "\x1bP1$r\x1b\\", "\x7f"),
)
PRINTER = """
        ldr     x1, =0x09000000
        adr     x2, text
1:      ldrb    w3, [x2], #1
        cbz     w3, 2f
        str     w3, [x1]
        b       1b
2:      {end}
text:   .byte   {bytes}, 0
"""
_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]P^_X].*?(?:\x07|\x1b\\|$)|\x1b.|[\x00-\x1f\x7f-\x9f]", re.S)
_DRAWS = re.compile(r"\x1b\[[\d;]*[mH]|[\r\n]")


def guest(folder: Path, text: str) -> Path:
    path = folder / "guest.s"
    path.write_text(text)
    return path


def printer(folder: Path, data: bytes, end: str = "b .") -> Path:
    return guest(folder, PRINTER.format(end=end, bytes=", ".join(map(str, data))))


def printed(driven: Driven) -> bytes:
    link = driven.app.driver.link
    assert isinstance(link, SessionLink)
    return bytes(link.session.timeline.runner.consoles[0])


def sequences(text: str) -> set[str]:
    """Return the control characters and sequences in a text, but those that place and colour cells."""
    return {one for one in _SEQUENCE.findall(text) if not _DRAWS.fullmatch(one)}


async def run_on(driven: Driven, count: int) -> None:
    n = driven.app.driver.now.position.n + count
    driven.app.do("run on", lambda: driven.app.driver.run(n))
    await driven.settle()


# --- typing -----------------------------------------------------------------------------------------------------------


def test_keys_go_to_the_guest_until_ctrl_a(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(SessionLink(Session(configuration(guest(tmp_path, ECHO))))) as driven:
            await driven.press("7", "enter", "h", "i", "space", "q", "ctrl+c", "question_mark")
            assert "it enters as the run goes on" in driven.bar and len(driven.app.screen_stack) == 1
            await driven.press("ctrl+a")
            assert "the keys are the terminal's again" in driven.bar
            await run_on(driven, 1_000_000)
            assert printed(driven) == b"hi q\x03?"
            await driven.press("home")
            assert driven.place == "0" and driven.app.is_running

    run(test())


def test_ctrl_a_twice_sends_one_and_stays(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(SessionLink(Session(configuration(guest(tmp_path, ECHO))))) as driven:
            await driven.press("7", "enter", "ctrl+a", "ctrl+a", "x", "ctrl+a", "left", "ctrl+a")
            assert driven.app.typing.vm is None, "not at once: no second one"
            await run_on(driven, 1_000_000)
            assert printed(driven) == b"\x01x"

    run(test())


def test_a_guest_that_runs_gets_what_is_typed(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(process(guest(tmp_path, ECHO)), size=(200, 60), is_live=True, speed=4) as driven:
            await driven.press("7")
            await driven.pilot.press("space")
            await driven.until(lambda: driven.app.driver.now.is_running)
            await driven.pilot.press("enter", "h", "e", "l", "l", "o")
            await driven.until(lambda: "hello" in driven.text)
            assert driven.app.running.goes_on
            await driven.pilot.press("ctrl+a", "space")
            await driven.settle()
            assert not driven.app.running.goes_on and "paused" in driven.bar

    run(test())


# --- what guests print ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("evil", EVIL, ids=repr)
def test_what_a_guest_prints_is_never_carried_out(tmp_path: Path, evil: str) -> None:
    async def shown(text: str) -> tuple[str, str]:
        with written() as found:
            made = printer(tmp_path, f"<{text}>".encode("latin-1"), "ldr x0, =0x84000008\n smc #0")
            async with opened(SessionLink(Session(configuration(made))), size=(200, 60), runs_ahead=True) as driven:
                await driven.press("end")
                screen = driven.text
        return "".join(found), screen

    async def test() -> None:
        found, screen = await shown(evil)
        assert "<" in screen and ">" in screen
        harmless, _ = await shown("harmless")
        assert sequences(found) <= sequences(harmless), "none that the guest has added"

    run(test())


def test_a_guest_that_floods_its_console_leaves_the_keys_alive(tmp_path: Path) -> None:
    flood = guest(tmp_path, "ldr x1, =0x09000000\nmov w3, #'x'\n1: str w3, [x1]\nb 1b\n")

    async def test() -> None:
        async with opened(process(flood), size=(200, 60), speed=4) as driven:
            await driven.press("7")
            await driven.pilot.press("space")
            await driven.until(lambda: driven.app.driver.now.status.consoles[0] > 200_000)
            await driven.press("space")
            assert not driven.app.running.goes_on and "xxxx" in driven.text
            at = driven.app.driver.now.position.n
            await driven.press("left", "home")
            assert at > 200_000 and driven.place == "0"

    run(test())


def test_a_recording_has_its_console_up_to_its_end() -> None:
    async def test() -> None:
        with Replay.open(str(RECORDINGS / "bare.hyp")) as replay:
            link = SessionLink(Session(replay))
            async with opened(link, size=(200, 60), is_recording=True) as driven:
                await driven.press("end")
                assert "...abc.....q" in driven.text and driven.place == "117"
                await driven.press("g")
                await driven.write("50%")
                assert driven.app.driver.now.position.n == 58

    run(test())
