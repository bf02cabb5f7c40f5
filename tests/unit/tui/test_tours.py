"""Tours: every one plays to its end as it says; who watches takes over with any key, and gives it back with one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from arm_hyp.errors import UserError
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process.session import Session
from arm_hyp.tui.app import Options
from arm_hyp.tui.look import Look
from arm_hyp.tui.session_link import SessionLink
from arm_hyp.tui.tours.app import TourApp
from arm_hyp.tui.tours.caption import Caption
from arm_hyp.tui.tours.player import Player
from arm_hyp.tui.tours.tour import Do, Tour, read_tour, tour_named, tours

SMALLEST = 80
SHORT = """
title = "A tour"
summary = "Of little."
guest = "02-wfi.s"
settings = ["HCR_EL2.TWI=1"]
[[step]]
title = "One"
text = "The first."
pause = 5
[[step]]
title = "Two"
text = "The second."
do = ["next_trap"]
question = "Why?"
answer = "Because."
[[step]]
title = "Three"
text = "The end."
"""


@pytest.fixture
def tour(tmp_path: Path) -> Tour:
    (file := tmp_path / "3-short.toml").write_text(SHORT)
    return read_tour(file)


async def _at_once(_event: asyncio.Event, _seconds: float) -> None:
    """A pause that takes no time."""


async def _for_ever(event: asyncio.Event, _seconds: float) -> None:
    """A pause that only a key ends."""
    await event.wait()


class Seen(TourApp):
    """Notes what is told, and what goes wrong."""

    def __init__(self, tour: Tour, pause: Callable[[asyncio.Event, float], Awaitable[None]] = _at_once) -> None:
        session = Session(tour.configuration)
        super().__init__(SessionLink(session), Options(look=Look(), runs_ahead=True), tour, pause=pause)
        self.heard_so_far: list[tuple[str, str, Position]] = []
        self.wrong: list[str] = []
        self.is_told = asyncio.Event()

    def tell(self, caption: Caption) -> None:
        super().tell(caption)
        self.heard_so_far.append((caption.title, caption.text, self.driver.now.position))
        self.is_told.set()

    def say(self, note: str, *, is_bad: bool = False) -> None:
        super().say(note, is_bad=is_bad)
        if is_bad:
            self.wrong.append(note)

    async def heard(self) -> tuple[str, str, Position]:
        """Return the next that is told."""
        await self.is_told.wait()
        self.is_told.clear()
        return self.heard_so_far[-1]


@pytest.mark.parametrize("name", [one.name for one in tours()])
@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_every_tour_plays_to_its_end_and_nothing_goes_wrong(name: str, size: tuple[int, int]) -> None:
    tour = tour_named(name)

    async def play() -> Seen:
        app = Seen(tour)
        async with app.run_test(size=size) as pilot:
            while not app.is_over:
                await pilot.press("enter")
                await pilot.pause()
        return app

    app = asyncio.run(play())
    assert app.wrong == []
    assert [title for title, _, _ in app.heard_so_far if title] and {title for title, _, _ in app.heard_so_far} == {
        step.title for step in tour.step
    }
    assert len({position for _, _, position in app.heard_so_far}) > len(tour.step) // 2


@pytest.mark.parametrize("tour", tours(), ids=lambda tour: tour.name)
def test_all_that_a_tour_tells_fits_under_the_panels_of_the_smallest_screen(tour: Tour) -> None:
    for number, step in enumerate(tour.step, 1):
        for text, question in ((step.text, step.question), (step.answer, "")):
            caption = Caption(step.title, " ".join(text.split()), question, number, len(tour.step), True, True)
            rows = caption.lines(SMALLEST, Look())
            shown = " ".join(" ".join(row.plain.strip("┃").split()) for row in rows[1:-1])
            assert caption.text in shown and question in shown, step.title
            assert step.title in rows[0].plain and caption._hint in rows[0].plain


def test_what_a_tour_says_is_where_its_text_says_it_is() -> None:
    """The positions that tours go to are in their files: guests that change must change them."""

    async def play() -> list[tuple[str, str, Position]]:
        app = Seen(tour_named("wfi"))
        async with app.run_test(size=(80, 24)) as pilot:
            while not app.is_over:
                await pilot.press("enter")
                await pilot.pause()
        return app.heard_so_far

    told = asyncio.run(play())
    at = {title: position for title, _, position in told}
    assert at["The trap"] == Position(10, 2) and at["The second WFI"] == Position(77, 1)
    assert at["What if?"].n == 11 and at["Back on the main branch"] == Position(10, 2)


def test_any_key_takes_over_and_t_goes_back_and_on(tour: Tour) -> None:
    async def play() -> None:
        app = Seen(tour, _for_ever)
        async with app.run_test(size=(80, 24)) as pilot:
            assert await app.heard() == ("One", "The first.", Position(0))
            await pilot.press("right")
            await app.heard()
            await app.work.is_idle.wait()
            assert app.player.is_taken and app.driver.now.position == Position(1)
            await pilot.press("enter")  # that is the user's now, too
            await pilot.pause()
            assert app.player.is_taken
            await pilot.press("t")
            assert await app.heard() == ("One", "The first.", Position(0))
            await pilot.press("t")
            assert await app.heard() == ("Two", "The second.", Position(10, 2))
            await pilot.press("enter")
            assert (await app.heard())[1] == "Because."
            await pilot.press("enter")
            assert (await app.heard())[0] == "Three"
            await pilot.press("t")
            await pilot.pause()
            assert app.is_over and app.rows_below == 1
            await pilot.press("left")
            await app.work.is_idle.wait()
            assert app.driver.now.position < Position(10, 2)

    asyncio.run(play())


def test_a_branch_of_whoever_took_over_is_left(tour: Tour) -> None:
    async def play() -> None:
        app = Seen(tour, _for_ever)
        async with app.run_test(size=(80, 24)) as pilot:
            await app.heard()
            await pilot.press("enter")
            await app.heard()
            await pilot.press("w")
            await app.heard()
            await app.work.is_idle.wait()
            assert app.driver.now.status.branch != "main"
            await pilot.press("t")
            assert (await app.heard())[2] == Position(10, 2)
            assert app.driver.now.status.branch == "main"

    asyncio.run(play())


class Bare:
    """A stage that only notes."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    async def perform(self, do: Do) -> None:
        self.seen.append(do.name)

    async def settle(self) -> None:
        pass

    def place(self) -> tuple[str, Position]:
        return "main", Position(0)

    async def return_to(self, branch: str, position: Position) -> None:
        raise AssertionError("nobody took over")

    def tell(self, caption: Caption) -> None:
        self.seen.append((caption.text, caption.question, caption.waits))


@pytest.mark.parametrize(("speed", "pauses"), [(1.0, [5.0]), (2.0, [2.5]), (None, [])])
def test_pauses_are_as_fast_as_asked_and_without_motion_keys_end_them(
    tour: Tour, speed: float | None, pauses: list[float]
) -> None:
    waited: list[float] = []

    async def pause(_event: asyncio.Event, seconds: float) -> None:
        waited.append(seconds)

    async def play() -> Bare:
        stage = Bare()
        player = Player(tour, stage, speed, pause)
        task = asyncio.ensure_future(player.play())
        while not task.done():
            await asyncio.sleep(0)
            player.go_on()
        await task
        return stage

    stage = asyncio.run(play())
    assert waited == pauses
    assert stage.seen == [
        ("The first.", "", speed is None),
        "next_trap",
        ("The second.", "Why?", True),
        ("Because.", "", True),
        ("The end.", "", True),
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("next_trap", "quit", "is no action that a tour can do"),
        ("next_trap", "edit", "is no action that a tour can do"),
        ("next_trap", "goto", "is no action that a tour can do"),
        ("next_trap", "panel nonsense", "no such panel"),
        ("next_trap", "step 3", "is no action that a tour can do"),
        ("pause = 5", "pause = -1", "a pause is of"),
        ("pause = 5", "paus = 5", "paus"),
        ('answer = "Because."', "", "come together"),
        ("title =", "title", "is no tour"),
        (SHORT[SHORT.index("[[step") :], "step = []", "it has 0 steps"),
        (SHORT, "", "is no tour"),
    ],
)
def test_a_file_that_is_no_tour(old: str, new: str, said: str, tmp_path: Path) -> None:
    (file := tmp_path / "bad.toml").write_text(SHORT.replace(old, new, 1))
    with pytest.raises(UserError, match=said):
        read_tour(file)


def test_a_name_that_there_is_not() -> None:
    with pytest.raises(UserError, match="there are wfi, demand-paging"):
        tour_named("nonsense")
    with pytest.raises(UserError, match="cannot be read"):
        tour_named("nowhere.toml")


def test_a_tour_is_named_after_its_file_without_its_number(tour: Tour) -> None:
    assert tour.name == "short" and [one.name for one in tours()][:2] == ["wfi", "demand-paging"]
