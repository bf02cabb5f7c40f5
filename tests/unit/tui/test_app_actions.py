"""Every key of the table does what it says: the effect of each is seen on the screen or in the run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from app_support import TRAP, Driven, opened, run

from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process.answers import Events
from arm_hyp.timeline.process.pipe import Progress
from arm_hyp.timeline.process.session import Session
from arm_hyp.timeline.recordings.replay import Replay
from arm_hyp.tui import running
from arm_hyp.tui.keys import ACTIONS, BY_NAME
from arm_hyp.tui.screens import BranchesScreen, HelpScreen, PromptScreen, TextScreen
from arm_hyp.tui.speeds import SPEEDS

Test = Callable[[Driven], Awaitable[None]]
SEEN: dict[str, Test] = {}


def seen(name: str) -> Callable[[Test], Test]:
    """Keep a test of an action."""

    def keep(test: Test) -> Test:
        assert name not in SEEN
        SEEN[name] = test
        return test

    return keep


def key(name: str) -> str:
    return BY_NAME[name].keys[0]


@pytest.mark.parametrize("name", [action.name for action in ACTIONS])
def test_the_effect_of_an_action(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever is written goes to `tmp_path`; a run does not wait between its beats."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(running, "SPEEDS", tuple(speed._replace(seconds=0) for speed in SPEEDS))

    async def test() -> None:
        async with opened() as driven:
            await SEEN[name](driven)

    run(test())


# --- through time -----------------------------------------------------------------------------------------------------


@seen("step")
async def _(driven: Driven) -> None:
    await driven.press("right", "right")
    assert driven.place == "2" and "2 · EL2 · paused" in driven.bar


@seen("back")
async def _(driven: Driven) -> None:
    await driven.press("right", "right", "left")
    assert driven.place == "1"
    await driven.press("left", "left")
    assert driven.place == "0" and "this is the start" in driven.bar


@seen("next_trap")
async def _(driven: Driven) -> None:
    await driven.press("pagedown")
    assert driven.place == TRAP and "HCR_EL2.[TWI] is 1" in driven.text


@seen("previous_trap")
async def _(driven: Driven) -> None:
    await driven.press("pagedown", "pagedown", "pageup")
    assert driven.place == TRAP


@seen("run")
async def _(driven: Driven) -> None:
    for pressed, place in (("space", "153"), ("home", "0"), ("f8", "153")):
        await driven.press(pressed)
        assert driven.place == place
    assert "powered off" in driven.bar and not driven.app.running.goes_on


@seen("run_back")
async def _(driven: Driven) -> None:
    await driven.press("end", "b")
    await driven.write("done")
    await driven.press("f9")
    assert driven.app.driver.now.status.cpus[0].pc == _address(driven, "done")
    await driven.press("f9")
    assert "no breakpoint was hit before this" in driven.bar


@seen("home")
async def _(driven: Driven) -> None:
    await driven.press("pagedown", "home")
    assert driven.place == "0"


@seen("end")
async def _(driven: Driven) -> None:
    await driven.press("end")
    assert driven.place == "153" and "ended" in driven.bar


@seen("goto")
async def _(driven: Driven) -> None:
    await driven.press("g")
    assert isinstance(driven.app.screen, PromptScreen) and "go to" in driven.text
    await driven.pilot.press("4", "2")
    assert "│ 42 " in driven.text, "what is typed is seen"
    await driven.press("enter")
    assert driven.place == "42" and not isinstance(driven.app.screen, PromptScreen)
    await driven.press("g", "9", "escape")
    assert driven.place == "42", "nothing came of it"


@seen("faster")
async def _(driven: Driven) -> None:
    await driven.press(*[key("faster")] * 9)
    assert "speed: full" in driven.bar and driven.app.running.speed == len(SPEEDS) - 1


@seen("slower")
async def _(driven: Driven) -> None:
    await driven.press(*[key("slower")] * 9)
    assert "speed: 2 steps/s" in driven.bar and driven.app.running.speed == 0


# --- finding ----------------------------------------------------------------------------------------------------------


@seen("search")
async def _(driven: Driven) -> None:
    await driven.press("slash")
    await driven.write("event==exception_taken")
    assert driven.place == TRAP and "found: event==exception_taken" in driven.bar
    await driven.press("slash")
    await driven.write("EC==")
    assert "EC==" in driven.bar and driven.app.is_bad and driven.place == TRAP


@seen("search_next")
async def _(driven: Driven) -> None:
    await driven.press("n")
    assert "nothing was searched for yet" in driven.bar
    await driven.press("slash")
    await driven.write("event==exception_taken")
    await driven.press("n")
    assert driven.app.driver.now.position.n == 79
    await driven.press("n")
    assert "not found after this" in driven.bar


@seen("search_previous")
async def _(driven: Driven) -> None:
    await driven.press("slash")
    await driven.write("event==exception_taken")
    await driven.press("n", "N")
    assert driven.place == TRAP


@seen("breakpoint")
async def _(driven: Driven) -> None:
    await driven.press("b")
    await driven.write("done")
    assert "breakpoint done set" in driven.bar
    await driven.press(*[key("faster")] * 9, "space")
    assert driven.app.driver.now.status.cpus[0].pc == _address(driven, "done")
    await driven.press("b")
    await driven.write("done")
    assert "taken away" in driven.bar and driven.app.driver.now.status.breakpoints == ()


def test_every_speed_stops_at_breakpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "SPEEDS", tuple(speed._replace(seconds=0) for speed in SPEEDS))

    async def test() -> None:
        async with opened() as driven:
            await driven.press("b")
            await driven.write("el1")
            for slower in (0, 2, 1):
                await driven.press("home", *[key("slower")] * slower, "space")
                assert driven.place == "10.1" and "breakpoint" in driven.bar, slower

    run(test())


@seen("mark")
async def _(driven: Driven) -> None:
    await driven.press("pagedown", "M")
    await driven.write("here")
    await driven.press("home", "g")
    await driven.write("here")
    assert driven.place == TRAP


# --- asking and changing ----------------------------------------------------------------------------------------------


@seen("why")
async def _(driven: Driven) -> None:
    await driven.press("pagedown", "y")
    assert driven.panels == ["trap"] and driven.focused == "trap"
    assert "ESR_EL2" in driven.text and "EC" in driven.text
    before = driven.place
    await driven.press("y")
    assert len(driven.panels) > 3 and driven.place == before


@seen("whatif")
async def _(driven: Driven) -> None:
    await driven.press("pagedown", "w")
    assert driven.branch != "main" and driven.place == "11"
    assert "HCR_EL2.TWI is 0 here" in driven.bar


@seen("undo")
async def _(driven: Driven) -> None:
    await driven.press("backspace")
    assert "nothing was changed" in driven.bar
    await driven.press("pagedown", "w", "backspace")
    assert (driven.branch, driven.place) == ("main", TRAP)


@seen("branches")
async def _(driven: Driven) -> None:
    await driven.press("pagedown", "w", "B")
    assert isinstance(driven.app.screen, BranchesScreen) and "● branch1  from main at 10" in driven.text
    await driven.press("enter")
    assert driven.branch == "main" and "main" not in driven.bar
    await driven.press("B", "escape")
    assert driven.branch == "main"


@seen("who_changed")
async def _(driven: Driven) -> None:
    await driven.press("end", "C")
    await driven.write("HCR_EL2.TWI")
    assert "HCR_EL2.TWI" in driven.bar
    await driven.press("end", "C")
    await driven.write("ESR_EL2")
    assert driven.app.driver.now.position.n == 79 and "ESR_EL2" in driven.bar
    await driven.press("C")
    await driven.write("NOPE_EL9")
    assert driven.app.is_bad


@seen("edit")
async def _(driven: Driven) -> None:
    await driven.press("e")
    assert "start it with --hypervisor FILE.py" in driven.bar


@seen("copy")
async def _(driven: Driven) -> None:
    await driven.press("c")
    assert "there is no trap to copy yet" in driven.bar
    await driven.press("pagedown", "c")
    assert "HCR_EL2.TWI" in driven.app.clipboard and "Markdown" in driven.bar


@seen("explain")
async def _(driven: Driven) -> None:
    await driven.press("i")
    await driven.write("IPA")
    assert isinstance(driven.app.screen, TextScreen) and "ntermediate" in driven.text
    await driven.press("escape", "i")
    await driven.write("gibberish")
    assert isinstance(driven.app.screen, TextScreen) and "gibberish" in driven.text
    await driven.press("escape")
    assert not isinstance(driven.app.screen, TextScreen)


# --- panels -----------------------------------------------------------------------------------------------------------


@seen("focus_next")
async def _(driven: Driven) -> None:
    found = [driven.focused]
    for _ in driven.panels:
        await driven.press("tab")
        found.append(driven.focused)
    assert found == [*driven.panels, driven.panels[0]]


@seen("focus_previous")
async def _(driven: Driven) -> None:
    await driven.press("shift+tab")
    assert driven.focused == driven.panels[-1]


@seen("panel_other")
async def _(driven: Driven) -> None:
    await driven.press("2", "full_stop")
    assert driven.panels[1] not in ("code", "ladder") and driven.focused == driven.panels[1]
    assert len(set(driven.panels)) == len(driven.panels)


@seen("zoom")
async def _(driven: Driven) -> None:
    before = driven.panels
    await driven.press("3", "z")
    assert driven.panels == ["registers"]
    await driven.press("z")
    assert driven.panels == before and driven.focused == "registers"


@seen("ladder_out")
async def _(driven: Driven) -> None:
    before = driven.lines[:8]
    await driven.press("minus")
    assert driven.lines[:8] != before


@seen("ladder_in")
async def _(driven: Driven) -> None:
    before = driven.lines[:8]
    await driven.press("minus", "plus")
    assert driven.lines[:8] == before


@seen("subject")
async def _(driven: Driven) -> None:
    await driven.press("p")
    assert "there is one CPU, and no VM" in driven.bar


@seen("console")
async def _(driven: Driven) -> None:
    await driven.press("enter")
    assert "press 7" in driven.bar and driven.app.typing.vm is None
    await driven.press("7", "enter")
    assert "goes to the guest; Ctrl-A leaves" in driven.bar and driven.app.typing.vm == 0


# --- program ----------------------------------------------------------------------------------------------------------


@seen("save")
async def _(driven: Driven) -> None:
    await driven.press("pagedown", "M")
    await driven.write("trap")
    await driven.press("S")
    assert "run.hyp" in driven.text
    await driven.write("mine.hyp")
    assert "mine.hyp: written" in driven.bar
    with Replay.open("mine.hyp") as replay:
        assert "trap" in Session(replay).timeline.marks
    await driven.press("S")
    await driven.write("nowhere/mine.hyp")
    assert driven.app.is_bad and "nowhere" in driven.bar


@seen("text")
async def _(driven: Driven) -> None:
    await driven.press("l")
    assert driven.panels == ["page"]
    await driven.press("l")
    assert "page" not in driven.panels and len(driven.panels) > 3


@seen("theme")
async def _(driven: Driven) -> None:
    shown = []
    for _ in range(4):
        await driven.press("T")
        shown.append((driven.bar.split()[1], driven.app.screen.get_style_at(2, 2).bgcolor))
    assert [name for name, _ in shown] == ["light", "projector", "mono", "dark"]
    assert len({str(ground) for _, ground in shown}) == 4


@seen("help")
async def _(driven: Driven) -> None:
    await driven.press("question_mark")
    assert isinstance(driven.app.screen, HelpScreen) and "One step on" in driven.text
    await driven.press("escape", "f1")
    assert isinstance(driven.app.screen, HelpScreen)
    await driven.press("q")
    assert not isinstance(driven.app.screen, HelpScreen) and driven.app.is_running


@seen("stop")
async def _(driven: Driven) -> None:
    """While something takes long, it says how far it is."""
    link, stopped = driven.app.driver.link, asyncio.Event()
    link.stop = stopped.set  # type: ignore[method-assign]

    async def long() -> str:
        link.progress = Progress(Position(60), Position(60), None, Events(()))
        await stopped.wait()
        link.progress = None
        return "stopped"

    driven.app.do("long", long)
    await driven.pilot.pause()
    driven.app.tell_progress()
    assert driven.app.note == "going: 60 of 153   Esc stops"
    await driven.press("escape")
    assert driven.app.note == "stopped"


@seen("interrupt")
async def _(driven: Driven) -> None:
    await driven.press("g", "ctrl+c")
    assert not isinstance(driven.app.screen, PromptScreen) and "Ctrl-C again quits" in driven.bar
    await driven.press("right", "ctrl+c")
    assert not driven.app.is_leaving, "a key between: the first one again"
    await driven.press("ctrl+c")
    assert driven.app._exit


@seen("quit")
async def _(driven: Driven) -> None:
    await driven.press("q")
    assert driven.app._exit and driven.app.return_code == 0


def _address(driven: Driven, symbol: str) -> int:
    found = driven.app.driver.now.subject.symbols.address_of(symbol)
    assert found is not None
    return found


def test_every_action_has_such_a_test() -> None:
    assert SEEN.keys() == {action.name for action in ACTIONS}
