"""The application behind a connection: a process for each, or with `--watch` one that all connections show.

Read textual-serve's `app_service.py` and `tui/serving/gate.py` before this file, `tui/serving/server.py` after it.
"""

from __future__ import annotations

import asyncio
import ctypes
import shlex
import signal
import subprocess
from asyncio.subprocess import Process
from contextlib import suppress
from typing import Any, Final, NamedTuple, Protocol

from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

from arm_hyp.tui.serving.gate import Role

LEAST: Final = (20, 5)
MOST: Final = (400, 200)
_PR_SET_PDEATHSIG: Final = 1
_END_S: Final = 5.0
_MOST_WAITING: Final = 500
_BEGIN: Final = b"\x1b[?1049h\x1b[?1000h\x1b[?1003h\x1b[?1015h\x1b[?1006h\x1b[?25l\x1b[2J"
"""What a terminal is told when the application starts: who joins later must hear it, too."""


class Connection(Protocol):
    """One browser's websocket."""

    async def send_bytes(self, data: bytes) -> None:
        """Send what the screen is to show."""

    async def close(self) -> Any:
        """End it."""


class Screen(NamedTuple):
    """A browser's terminal, in cells."""

    width: int
    height: int

    @classmethod
    def of(cls, width: Any, height: Any) -> Screen:
        """Take what a browser says, within bounds."""
        return cls(*(_bounded(size, bounds) for size, *bounds in zip((width, height), LEAST, MOST, strict=True)))


def _bounded(size: Any, bounds: list[int]) -> int:
    least, most = bounds
    try:
        return min(max(int(size), least), most)
    except (TypeError, ValueError, OverflowError):
        return least


def _end_with_parent() -> None:
    """Have the kernel send SIGTERM to this process when its parent is gone. Ref: Linux, prctl(2)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Application(AppService):
    """textual-serve's process of an application, in UTF-8 and never in debug mode."""

    def _build_environment(self, width: int = 80, height: int = 24) -> dict[str, str]:
        """Add what the application must know."""
        made: dict[str, str] = super()._build_environment(width, height)
        return {name: value for name, value in made.items() if name != "NO_COLOR"} | {"PYTHONUTF8": "1"}

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        """Start it without a shell; it ends with the server, however that ends."""
        process = await asyncio.create_subprocess_exec(
            *shlex.split(self.command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._build_environment(width, height),
            preexec_fn=_end_with_parent,
        )
        self._process, self._stdin = process, process.stdin
        return process

    async def end(self) -> None:
        """Have it end; one that does not within a few seconds is ended."""
        try:
            async with asyncio.timeout(_END_S):
                await self.stop()
                if self._process is not None:
                    await self._process.wait()
        except TimeoutError:
            if self._process is not None and self._process.returncode is None:
                self._process.kill()
                await self._process.wait()


class Member:
    """One connection that looks at the shared application; what it cannot take in time it misses, and is closed."""

    def __init__(self, connection: Connection, role: Role, screen: Screen) -> None:
        self.role, self.screen = role, screen
        self._connection = connection
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(_MOST_WAITING)
        self._task = asyncio.create_task(self._send())

    async def _send(self) -> None:
        with suppress(ConnectionError):
            while True:
                await self._connection.send_bytes(await self._waiting.get())

    def put(self, data: bytes) -> bool:
        """Send something soon; False if too much waits already."""
        try:
            self._waiting.put_nowait(data)
        except asyncio.QueueFull:
            return False
        return True

    async def close(self) -> None:
        """End it."""
        self._task.cancel()
        with suppress(ConnectionError):
            await self._connection.close()


class SharedApplication:
    """One application that all see. Those who drive have its keys; the smallest window decides how large it is."""

    def __init__(self, command: str, downloads: DownloadManager) -> None:
        self._command, self._downloads = command, downloads
        self._members: list[Member] = []
        self._service: Application | None = None
        self._size = Screen(*LEAST)
        self._ending: list[Application] = []
        """Those that have said that they end, and need not have done so yet."""

    async def join(self, connection: Connection, role: Role, screen: Screen) -> Member:
        """Let a connection look, and start the application for the first."""
        member = Member(connection, role, screen)
        member.put(_BEGIN)
        self._members.append(member)
        if self._service is None:
            self._size = self._smallest
            self._service = Application(
                self._command,
                write_bytes=self._show,
                write_str=_nothing,
                close=self._ended,
                download_manager=self._downloads,
            )
            await self._service.start(*self._size)
        else:
            await self._draw_anew()
        return member

    async def leave(self, member: Member) -> None:
        """Let a connection go; the application stays for who comes next."""
        if member in self._members:
            self._members.remove(member)
            await member.close()
            await self.fit()

    async def resize(self, member: Member, screen: Screen) -> None:
        """Take a connection's new size."""
        member.screen = screen
        await self.fit()

    async def fit(self) -> None:
        """Have the application draw for the smallest window."""
        if self._service is not None and self._members and self._smallest != self._size:
            self._size = self._smallest
            await self._service.set_terminal_size(*self._size)

    @property
    def _smallest(self) -> Screen:
        return Screen(*(min(sizes) for sizes in zip(*(one.screen for one in self._members), strict=True)))

    async def _draw_anew(self) -> None:
        """Have it draw everything: it only sends what changes, and who is new has nothing yet."""
        assert self._service is not None
        self._size = self._smallest
        await self._service.set_terminal_size(self._size.width, self._size.height - 1)
        await self._service.set_terminal_size(*self._size)

    async def type(self, member: Member, data: bytes) -> None:
        """Give keys to the application, of those who drive."""
        if self._service is not None and member.role is Role.DRIVE:
            await self._service.send_bytes(data)

    async def _show(self, data: bytes) -> None:
        for member in [one for one in self._members if not one.put(data)]:
            await self.leave(member)

    async def _ended(self) -> None:
        """The application has ended: the next who comes starts another."""
        if self._service is not None:
            self._ending.append(self._service)
        self._service = None
        members, self._members = self._members, []
        for member in members:
            await member.close()

    async def stop(self) -> None:
        """End it."""
        await self._ended()
        for service in self._ending:
            await service.end()


async def _nothing(_text: str) -> None:
    """Drop what is only for one browser: files to save, addresses to open."""
