"""The queue of what the user asked for."""

import asyncio
from collections.abc import Awaitable, Callable

from arm_hyp.tui.work import Work


def _done(names: list[str]) -> list[tuple[str, int]]:
    done: list[tuple[str, int]] = []

    async def guard(job: Callable[[], Awaitable[str]]) -> None:
        await job()

    async def main() -> None:
        work = Work(guard)

        def job(name: str) -> Callable[[int], Awaitable[str]]:
            async def do(count: int) -> str:
                done.append((name, count))
                return ""

            return do

        for name in names:
            work.soon(name, job(name))
        task = asyncio.create_task(work.run())
        await work.is_idle.wait()
        task.cancel()

    asyncio.run(main())
    return done


def test_steps_that_wait_are_done_together() -> None:
    assert _done(["step", "step", "step", "back", "step"]) == [("step", 3), ("back", 1), ("step", 1)]


def test_looking_twice_shows_nothing_new() -> None:
    assert _done(["look", "look", "goto", "goto"]) == [("look", 1), ("goto", 1), ("goto", 1)]
