"""What a user can do with a run, without a screen: on a guest whose WFI traps at 10.2."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from arm_hyp.errors import UserError
from arm_hyp.resources import guests_directory
from arm_hyp.runner.configuration import Configuration
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process.session import Session
from arm_hyp.tui.driver import AT_END, AT_START, Driver
from arm_hyp.tui.session_link import SessionLink

TRAP = Position(10, 2)


def driven(do: Callable[[Driver], Awaitable[object]], *, ahead: bool = True, twi: int = 1) -> Driver:
    """Do something with a driver of a fresh run, and return it."""
    image = str(guests_directory() / "02-wfi.s")
    session = Session(Configuration(image=image, settings=(f"HCR_EL2.TWI={twi}",)))
    driver = Driver(SessionLink(session), lambda: (), ahead=(10.0, 100_000) if ahead else None)

    async def run() -> None:
        await driver.open()
        await do(driver)

    asyncio.run(run())
    return driver


async def _nothing(_driver: Driver) -> None:
    pass


def test_a_short_guest_has_run_ahead_and_the_user_is_at_its_start() -> None:
    status = driven(_nothing).now.status
    assert status.position == Position(0)
    assert status.frontier.n == 153
    assert "powered off" in status.outcome


def test_without_running_ahead_there_is_nothing_ahead() -> None:
    assert driven(_nothing, ahead=False).now.status.frontier == Position(0)


def test_steps_and_traps_go_on_and_back() -> None:
    async def do(driver: Driver) -> None:
        await driver.next_trap()
        assert driver.now.position == TRAP and driver.now.is_at_trap
        assert driver.now.deciding == {("HCR_EL2", "TWI")}
        await driver.step(3)
        assert driver.now.position == Position(13)
        await driver.back(3)
        assert driver.now.position == TRAP
        await driver.next_trap()
        await driver.previous_trap()
        assert driver.now.position == TRAP
        assert await driver.previous_trap() == "there is no exception before this"

    driven(do)


def test_at_both_ends_it_says_so() -> None:
    async def do(driver: Driver) -> None:
        assert await driver.back() == AT_START
        await driver.end()
        assert "powered off" in await driver.step()
        assert "powered off" in await driver.run()
        assert AT_END

    driven(do)


@pytest.mark.parametrize(
    ("text", "n"),
    [("11", 11), ("10.2", 10), ("+5", 5), ("50%", 76), ("1_1", 11), ("at_el2", 11), ("0x40080028", 10), ("here", 7)],
)
def test_goto_takes_every_form_of_a_place(text: str, n: int) -> None:
    async def do(driver: Driver) -> None:
        await driver.goto("7")
        await driver.mark("here")
        await driver.home()
        await driver.goto(text)

    assert driven(do).now.position.n == n


def test_goto_goes_back_too() -> None:
    async def do(driver: Driver) -> None:
        await driver.goto("20")
        await driver.goto("-5")

    assert driven(do).now.position.n == 15


@pytest.mark.parametrize("text", ["", "nowhere", "0xzz", "1.2.3", "12 parsecs"])
def test_goto_says_what_it_does_not_know(text: str) -> None:
    with pytest.raises(UserError, match="is no position, mark, symbol or address"):
        driven(lambda driver: driver.goto(text))


def test_a_search_finds_the_next_one_and_the_one_before() -> None:
    async def do(driver: Driver) -> None:
        assert await driver.search("event==exception_taken") == "found: event==exception_taken"
        assert driver.now.position == TRAP
        await driver.search_again()
        assert driver.now.position.n == 79
        await driver.search_again(is_back=True)
        assert driver.now.position == TRAP
        assert "not found after this" in await driver.search("EC=0x3c")

    driven(do)


def test_a_search_without_a_text_before_says_so() -> None:
    with pytest.raises(UserError, match="nothing was searched for yet"):
        driven(lambda driver: driver.search_again())


def test_flipping_the_deciding_bit_at_its_trap_makes_the_trap_go_and_undo_brings_it_back() -> None:
    async def do(driver: Driver) -> None:
        await driver.next_trap()
        said = await driver.flip("HCR_EL2.TWI")
        assert "HCR_EL2.TWI is 0 here" in said
        assert driver.now.status.branch != "main" and not driver.now.is_at_trap
        assert driver.now.position == Position(11), "the WFI has retired"
        assert await driver.undo() == "back on main"
        assert driver.now.position == TRAP and driver.now.is_at_trap

    driven(do)


def test_flipping_a_bit_elsewhere_sets_it_where_the_cursor_is() -> None:
    async def do(driver: Driver) -> None:
        await driver.goto("5")
        await driver.flip("HCR_EL2.TWE")
        assert driver.now.position.n == 5
        assert await driver.last_change("HCR_EL2.TWE")

    driven(do)


@pytest.mark.parametrize("bit", ["", "HCR_EL2", "NOPE_EL2.X", "HCR_EL2.NOPE"])
def test_what_is_no_bit_is_refused(bit: str) -> None:
    with pytest.raises(UserError):
        driven(lambda driver: driver.flip(bit))


def test_a_run_stops_at_a_breakpoint_and_goes_back_to_it() -> None:
    async def do(driver: Driver) -> None:
        await driver.toggle_breakpoint("done")
        await driver.run()
        at = driver.now.position
        assert driver.subject is not None
        assert driver.now.status.cpus[0].pc == driver.subject.symbols.address_of("done")
        await driver.end()
        await driver.run_back()
        assert driver.now.position == at
        await driver.toggle_breakpoint("done")
        assert driver.now.status.breakpoints == ()

    driven(do)


def test_a_run_is_saved_with_its_branches_and_marks(tmp_path: Path) -> None:
    async def do(driver: Driver) -> None:
        await driver.next_trap()
        await driver.mark("trap")
        await driver.flip("HCR_EL2.TWI")
        await driver.save(str(tmp_path / "run.hyp"))

    driven(do)
    from arm_hyp.timeline.recordings.replay import Replay

    with Replay.open(str(tmp_path / "run.hyp"), ()) as replay:
        status = Session(replay).timeline
        assert status.marks == {"trap": TRAP}
        assert len(status.branches) == 2


def test_registers_of_the_last_view_are_kept_to_show_what_changed() -> None:
    async def do(driver: Driver) -> None:
        await driver.step()
        before = driver.now.status.position
        await driver.look()
        assert driver.now.position == before

    driven(do)
