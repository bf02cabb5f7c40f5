"""What takes long says how far it is, and can be stopped."""

import asyncio

from app_support import run, wfi

from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process.answers import Events
from arm_hyp.timeline.process.pipe import Progress
from arm_hyp.tui.app import ArmHypApp, Options

_HALFWAY = Progress(Position(60), Position(60), None, Events(()))


def test_a_long_job_says_how_far_it_is_and_escape_stops_it() -> None:
    async def test() -> None:
        link = wfi()
        app = ArmHypApp(link, Options(runs_ahead=True))
        stopped = asyncio.Event()
        async with app.run_test(size=(80, 24)) as pilot:
            await app.work.is_idle.wait()
            link.stop = stopped.set  # type: ignore[method-assign]

            async def long() -> str:
                link.progress = _HALFWAY
                await stopped.wait()
                link.progress = None
                return "stopped"

            app.do("long", long)
            await pilot.pause()
            app.tell_progress()
            assert app.note == "going: 60 of 153   Esc stops"
            await pilot.press("escape")
            await app.work.is_idle.wait()
            assert app.note == "stopped"

    run(test())
