"""The machine process dies, hangs or cannot start: the application says what happened, and goes on where it was."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from app_support import Driven, configuration, opened, process, run, wfi

from arm_hyp.runner.configuration import Configuration
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process.answers import Restarted
from arm_hyp.timeline.process.pipe import RecordingFile
from arm_hyp.timeline.process.process import MachineProcess
from arm_hyp.tui.app import ArmHypApp, Options
from arm_hyp.tui.link import ProcessLink

LOOP = "1: add x0, x0, #1\n b 1b\n"
HANGING = """
from arm_hyp.hypervisor import EC, Vcpu, handler


@handler(EC.WFX)
def on_wfx(vcpu: Vcpu, exit: object) -> None:
    while True:
        pass
"""


class ImpatientLink(ProcessLink):
    """A process that may be silent for a moment only."""

    def _make(self) -> MachineProcess:
        return MachineProcess(self._source, silence_s=0.5, on_progress=self._heard)


def loop(folder: Path) -> Path:
    path = folder / "loop.s"
    path.write_text(LOOP)
    return path


def hanging(folder: Path) -> Configuration:
    """Return a VM whose first WFI is handled for ever."""
    (folder / "waits.s").write_text("mov x1, #6\n1: wfi\n sub x1, x1, #1\n cbnz x1, 1b\n b .\n")
    (folder / "handlers.py").write_text(HANGING)
    return configuration(folder / "waits.s", hypervisor=str(folder / "handlers.py"))


def kill(driven: Driven) -> None:
    link = driven.app.driver.link
    assert isinstance(link, ProcessLink)
    os.kill(link.process.pid, signal.SIGKILL)


async def runs(driven: Driven, n: int) -> None:
    """Begin to run at full speed, and wait until the run has come to N."""
    driven.app.running.speed = 4
    await driven.pilot.press("space")
    await driven.until(lambda: driven.app.driver.now.is_running and driven.app.driver.now.position.n > n)


def test_killed_while_idle_it_stands_where_it_was_and_goes_on() -> None:
    async def test() -> None:
        async with opened(process("02-wfi.s", "HCR_EL2.TWI=1"), runs_ahead=True) as driven:
            await driven.press("pagedown", "M")
            await driven.write("here")
            kill(driven)
            await driven.press("right")
            assert "the machine process" in driven.bar and "SIGKILL" in driven.bar and driven.app.is_bad
            assert driven.place == "10.2" and "here" in driven.app.driver.now.status.marks
            await driven.press("right")
            assert driven.place == "11" and not driven.app.is_bad

    run(test())


def test_killed_in_the_middle_of_a_run_it_pauses_and_can_run_on(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(process(loop(tmp_path)), is_live=True) as driven:
            await runs(driven, 1000)
            seen = driven.app.driver.now.position
            kill(driven)
            await driven.settle()
            assert "SIGKILL" in driven.bar and driven.app.is_bad
            assert not driven.app.running.goes_on and driven.app.driver.now.position >= seen
            at = driven.app.driver.now.position.n
            await runs(driven, at)
            await driven.press("space")
            assert "paused" in driven.bar and driven.app.driver.now.position.n > at

    run(test())


def test_a_handler_that_never_returns_is_named_and_the_run_stands_before_it(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(ImpatientLink(hanging(tmp_path)), speed=4) as driven:
            await driven.press("space")
            assert driven.app.is_bad and "it was silent for 0.5 s in @handler(EC.WFX), handlers.py:" in driven.bar
            await driven.press("right", "left")
            assert not driven.app.is_bad

    run(test())


def test_ctrl_c_ends_the_program_though_a_handler_never_returns(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(ProcessLink(hanging(tmp_path)), speed=4) as driven:
            link = driven.app.driver.link
            assert isinstance(link, ProcessLink)
            await driven.pilot.press("space")
            await driven.until(lambda: not driven.app.work.is_idle.is_set())
            await driven.pilot.press("ctrl+c", "ctrl+c", "ctrl+c")
            first = link.process.pid
        assert driven.app.return_code == 130
        link._thread.shutdown(wait=True)
        assert link.process.pid == first, "no other was started"
        with pytest.raises(ProcessLookupError):
            os.kill(first, 0)

    run(test())


def test_a_machine_that_keeps_dying_does_not_take_the_screen_along(tmp_path: Path) -> None:
    """Every answer is that there is another process: one line, and no endless asking."""

    async def test() -> None:
        async with opened(wfi()) as driven:
            asked = 0

            async def dies(message: object) -> Restarted:
                nonlocal asked
                asked += 1
                return Restarted("it was ended by SIGSEGV", Position(0))

            driven.app.driver.link.ask = dies  # type: ignore[method-assign]
            await driven.press("right")
            assert "SIGSEGV" in driven.bar and asked < 10 and driven.app.is_running

    run(test())


@pytest.mark.parametrize("source", [Configuration(image="nowhere.s"), RecordingFile("nowhere.hyp")])
def test_what_cannot_start_ends_with_one_line_and_status_2(source: Configuration | RecordingFile) -> None:
    async def test() -> None:
        app = ArmHypApp(ProcessLink(source), Options())
        async with app.run_test() as pilot:
            while app.failure is None:
                await asyncio.sleep(0)
            await pilot.pause()
        assert app.return_code == 2
        assert "nowhere" in str(app.failure) and "\n" not in str(app.failure)

    run(test())


def test_nobody_is_left_behind() -> None:
    async def test() -> None:
        async with opened(process("02-wfi.s"), is_live=True) as driven:
            link = driven.app.driver.link
            assert isinstance(link, ProcessLink)
            pid = link.process.pid
            await driven.press("q")
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    run(test())


def test_ctrl_c_ends_a_start_that_takes_long() -> None:
    class SlowLink(ProcessLink):
        async def start(self) -> None:
            """Take for ever."""
            await asyncio.get_running_loop().create_future()

    async def test() -> None:
        app = ArmHypApp(SlowLink(configuration("02-wfi.s")), Options())
        async with app.run_test() as pilot:
            await pilot.press("ctrl+c")
        assert app.return_code == 130

    run(test())
