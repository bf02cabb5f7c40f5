"""`arm-hyp export run.hyp --to svg|cast|html`: what the terminal shows, as a picture, a terminal recording or a page.

Read `tui/pictures/steps.py` before this file, `cli/export.py`, which it is a part of, after it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from arm_hyp.debug.exports.exporter import Percent
from arm_hyp.errors import UserError
from arm_hyp.runner.runner import Runner
from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.process.pipe import Progress as Heard
from arm_hyp.timeline.process.pipe import RecordingFile
from arm_hyp.timeline.recordings.replay import Replay
from arm_hyp.tui.link import Link, ProcessLink
from arm_hyp.tui.look import ASCII, PALETTES, UNICODE, Look
from arm_hyp.tui.picture import Painter, Size, Wanted
from arm_hyp.tui.pictures.cast import CastWriter
from arm_hyp.tui.pictures.page import PageWriter
from arm_hyp.tui.pictures.steps import Steps, pictures
from arm_hyp.tui.pictures.svg import svg_of
from arm_hyp.tui.places import end_of

_QUIET_S: Final = 0.5
_WHOLE: Final = 100.0
_STOPPED: Final = "the export was interrupted"


class Drawing(NamedTuple):
    """What the command line asks for: how it looks, which place or which steps."""

    size: str
    theme: str
    ascii_only: bool
    panel: str | None
    at: Position | None
    steps: Steps

    @property
    def wanted(self) -> Wanted:
        """Return what is to be painted. Raises: UserError."""
        look = Look(PALETTES[self.theme], ASCII if self.ascii_only else UNICODE)
        return Wanted(Size.parse(self.size), look, self.panel)


@dataclass
class DrawnExport:
    """One export of pictures: `write` it, `stop` it from a signal. `note` is what there is to say at the end."""

    recording: RecordingFile
    form: str
    drawing: Drawing
    note: str = ""
    difference: str = ""
    """How the replay differs from what was recorded, in one sentence."""
    is_complete: bool = False
    _runner: Runner | None = None
    _link: Link | None = None
    _is_stopped: bool = False

    def write(self, file: TextIO) -> None:
        """Play the recording, and write the file if it is the run that was recorded. Raises: UserError."""
        wanted = self.drawing.wanted
        with _progress() as tell:
            self.difference = self._compared(lambda share: tell(share / 3))
            if not self.difference and not self._is_stopped:
                asyncio.run(self._write(file, wanted, lambda share: tell((1 + 2 * share) / 3)))
        self.is_complete = not self._is_stopped and not self.difference

    def stop(self) -> None:
        """Have `write` come back soon."""
        self._is_stopped = True
        if self._runner is not None:
            self._runner.machine.request_stop(_STOPPED, 1, at_once=False)
        if self._link is not None:
            self._link.stop()

    def _compared(self, tell: Callable[[float], None]) -> str:
        """Repeat the whole run, and say how it differs from the recording; nothing if it does not."""
        with Replay.open(self.recording.path, self.recording.folders) as replay:
            end = replay.recording.end.n
            self._runner = runner = replay.runner(Percent(end, lambda percent: tell(percent / _WHOLE)))
            replay.name_files(runner)
            answer = replay.run(runner)
            self._runner = None
            return replay.difference(runner, answer)

    async def _write(self, file: TextIO, wanted: Wanted, tell: Callable[[float], None]) -> None:
        ends: list[Position] = []

        def heard(progress: Heard) -> None:
            """The first half of the time is the run itself, played to its end."""
            if ends:
                tell(min(progress.position.n / max(ends[0].n, 1), 1.0) / 2)

        link = self._link = ProcessLink(self.recording, heard)
        painter = Painter(link, wanted, is_recording=True)
        try:
            await painter.open()
            ends.append(end_of(painter.driver.now))
            if not self._is_stopped:
                await _FORMS[self.form](self, painter, file, tell)
        finally:
            await link.close()

    @property
    def _title(self) -> str:
        return f"arm-hyp: {Path(self.recording.path).name}"

    async def _svg(self, painter: Painter, file: TextIO, _tell: Callable[[float], None]) -> None:
        driver, at = painter.driver, self.drawing.at
        opened_at, end = driver.now.position, end_of(driver.now)
        if at is not None and at > end:
            raise UserError(f"--at {at}", f"the run ends at {end}", "choose a place before that")
        await driver.go(end)  # then the picture shows what is to come, too
        await driver.go(opened_at if at is None else at)
        if at is None and opened_at == START:
            await driver.next_trap()
        await painter.come_to(driver.now.position)
        size, look = painter.wanted.size, painter.wanted.look
        file.write(svg_of(Text("\n").join(painter.lines()), size.width, self._title, look=look))

    async def _cast(self, painter: Painter, file: TextIO, tell: Callable[[float], None]) -> None:
        await self._put(CastWriter(file, painter.wanted.size, self._title), painter, tell)

    async def _page(self, painter: Painter, file: TextIO, tell: Callable[[float], None]) -> None:
        await self._put(PageWriter(file, painter.wanted.size, self._title, painter.wanted.look), painter, tell)

    async def _put(self, writer: CastWriter | PageWriter, painter: Painter, tell: Callable[[float], None]) -> None:
        steps = replace(self.drawing.steps)
        async for one in pictures(painter, steps, lambda share: tell((1 + share) / 2)):
            writer.add(one)
            if self._is_stopped:
                return
        if steps.is_cut:
            self.note = f"these are the first {steps.most:,} steps; --from and --until choose others"
        writer.close()


_FORMS: Final = {"svg": DrawnExport._svg, "cast": DrawnExport._cast, "html": DrawnExport._page}


@contextmanager
def _progress() -> Iterator[Callable[[float], None]]:
    """Give a function that shows which share is done: at a terminal, on standard error, after half a second."""
    console = Console(stderr=True)
    if not sys.stderr.isatty():
        yield lambda share: None
        return
    columns = TextColumn("drawing"), BarColumn(), TimeElapsedColumn()
    bar = Progress(*columns, console=console, transient=True, auto_refresh=False)
    task = bar.add_task("drawing", total=_WHOLE)

    def tell(share: float) -> None:
        if share * _WHOLE > bar.tasks[0].completed and (bar.tasks[0].elapsed or 0.0) >= _QUIET_S:
            bar.start()
            bar.update(task, completed=share * _WHOLE, refresh=True)

    try:
        yield tell
    finally:
        bar.stop()
