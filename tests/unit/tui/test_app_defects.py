"""A defect of this program is said in a line; the user goes on, and nothing is lost."""

from app_support import run, wfi

from arm_hyp.tui.app import ArmHypApp, Options
from arm_hyp.tui.panels.panel import Panel


class _Broken(Panel):
    name, title = "code", "code"

    def lines(self, *_: object) -> list:
        raise RuntimeError("on purpose")


def test_a_panel_that_cannot_be_drawn_says_so_in_its_place() -> None:
    async def test() -> None:
        app = ArmHypApp(wfi(), Options(runs_ahead=True))
        app.panels["code"] = _Broken()
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.press("right")
            await app.work.is_idle.wait()
            assert "cannot be drawn here" in app.export_screenshot().replace("&#160;", " ")
            await pilot.pause()
            assert app.driver.now.position.n == 1
            assert app.defects and "RuntimeError at test_app_defects.py" in app.defects[0]

    run(test())


def test_a_job_that_fails_ends_nothing() -> None:
    async def fail() -> str:
        raise RuntimeError("on purpose")

    async def test() -> None:
        app = ArmHypApp(wfi(), Options(runs_ahead=True))
        async with app.run_test(size=(80, 24)) as pilot:
            app.do("fail", fail)
            await app.work.is_idle.wait()
            assert "a defect of arm-hyp" in app.note
            await pilot.press("right")
            await app.work.is_idle.wait()
            assert app.driver.now.position.n == 1

    run(test())
