"""The terminal stays alive while Debian's kernel boots in it, live: every key is answered within a few pictures."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "tui"))
from app_support import Driven, opened, run

from arm_hyp.runner.configuration import Configuration
from arm_hyp.tui.link import ProcessLink
from arm_hyp.tui.screens import PromptScreen
from arm_hyp.tui.speeds import FULL
from guests.linux.fetch import LinuxImages

pytestmark = pytest.mark.long
MOST_PICTURES = 3
BOOTED_FAR = 50_000_000


async def answered(driven: Driven, key: str, holds: Callable[[], bool]) -> None:
    """Press a key; before the run has been drawn a few times more, something must be so."""
    await driven.pilot.press(key)
    drawn, last = 0, driven.app.driver.view
    while not holds():
        await asyncio.sleep(0.001)
        if driven.app.driver.view is not last:
            drawn, last = drawn + 1, driven.app.driver.view
            assert drawn <= MOST_PICTURES, f"{key} was not answered"


def test_keys_are_answered_while_a_kernel_boots(linux_images: LinuxImages) -> None:
    made = Configuration(
        image=str(linux_images.kernel),
        initrd=str(linux_images.initramfs),
        el=1,
        append="console=ttyAMA0 cryptomgr.notests=1",
    )

    async def test() -> None:
        async with opened(ProcessLink(made), size=(200, 60), is_live=True, speed=FULL) as driven:
            app = driven.app
            await driven.pilot.press("space")
            for n in (1_000_000, 20_000_000, BOOTED_FAR):
                await driven.until(lambda n=n: app.driver.now.position.n > n)
                await answered(driven, "4", lambda: driven.focused == "bits")
                assert app.running.goes_on, "showing a panel pauses nothing"
                await answered(driven, "2", lambda: driven.focused == "code")
                await answered(driven, "g", lambda: isinstance(app.screen, PromptScreen))
                await answered(driven, "escape", lambda: not isinstance(app.screen, PromptScreen))
                await driven.settle()
                assert "paused" in driven.bar
                await answered(driven, "space", lambda: app.driver.now.is_running)
            await driven.until(lambda: "[    0." in driven.text)  # its console begins late
            await answered(driven, "space", lambda: not app.driver.now.is_running)

    run(test())
