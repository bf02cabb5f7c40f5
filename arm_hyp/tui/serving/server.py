"""The server: one page, textual-serve's script and styles, and a websocket, all below a token that nobody guesses.

Read `tui/serving/gate.py` and `tui/serving/app_process.py` before this file, `cli/serve.py` after it.
"""

from __future__ import annotations

import asyncio
import html
import json
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import textual_serve
from aiohttp import WSMsgType, web
from textual_serve.download_manager import DownloadManager

from arm_hyp.errors import UserError
from arm_hyp.tui.serving.app_process import Application, Member, Screen, SharedApplication
from arm_hyp.tui.serving.gate import Role, Tokens, refusal

ADDRESS: Final = "127.0.0.1"
MOST_CONNECTIONS: Final = 8
_LONGEST_MESSAGE_BYTES: Final = 1 << 20
_ROLE: Final = web.RequestKey("role", Role)
_STATIC: Final = Path(textual_serve.__file__).parent / "static"
_OURS: Final = Path(__file__).parent
_FILES: Final = {
    "page.js": (_OURS / "page.js", "text/javascript"),
    "textual.js": (_STATIC / "js" / "textual.js", "text/javascript"),
    "xterm.css": (_STATIC / "css" / "xterm.css", "text/css"),
    "mono.ttf": (_STATIC / "fonts" / "RobotoMono-VariableFont_wght.ttf", "font/ttf"),
}
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; "
        "img-src 'self' data:; connect-src ws://{host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Serves the application that `command` starts; with `is_shared` all see the same one."""

    def __init__(self, command: str, title: str, *, is_shared: bool = False) -> None:
        self.tokens = Tokens.new(can_watch=is_shared)
        self._command, self._title, self._downloads = command, title, DownloadManager()
        self._shared = SharedApplication(command, self._downloads) if is_shared else None
        self._connections = 0
        self._is_over = asyncio.Event()

    def address(self, port: int, role: Role = Role.DRIVE) -> str:
        """Return the address to open. `role` WATCH only where the application is shared."""
        token = self.tokens.drive if role is Role.DRIVE else self.tokens.watch
        return f"http://{ADDRESS}:{port}/{token}/"

    async def serve(self, port: int, started: Callable[[int], None]) -> None:
        """Serve until SIGINT or SIGTERM, or `stop`; `started` hears the port. Raises: UserError."""
        runner = web.AppRunner(self.application(), access_log=None, shutdown_timeout=2.0)
        await runner.setup()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(ValueError, RuntimeError):  # not the main thread
                loop.add_signal_handler(number, self.stop)
        try:
            await web.TCPSite(runner, ADDRESS, port).start()
            started(runner.addresses[0][1])
            await self._is_over.wait()
        except OSError as error:
            raise UserError(f"--port {port}", f"cannot be used: {error.strerror}", "0 takes any that is free") from None
        finally:
            await runner.cleanup()

    def stop(self) -> None:
        """Stop serving."""
        self._is_over.set()

    def application(self) -> web.Application:
        """Return all that is served."""
        made = web.Application(middlewares=[self._guard])
        made.on_cleanup.append(self._clean_up)
        made.router.add_get("/{token}/", self._page)
        made.router.add_get("/{token}/ws", self._websocket)
        made.router.add_get("/{token}/{file}", self._file)
        return made

    async def _clean_up(self, _: web.Application) -> None:
        if self._shared is not None:
            await self._shared.stop()

    # --- what is asked for -------------------------------------------------------------------------------------------

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let in who may come in; for the others there is nothing here."""
        is_socket = request.path.endswith("/ws")
        origins = request.headers.getall("Origin", [])
        why = refusal(request.host, origins[0] if origins else None, needs_origin=is_socket)
        if why or len(origins) > 1:
            raise web.HTTPForbidden(text=f"{why or 'there are two Origins'}\n")
        role = self.tokens.role_of(request.match_info.get("token", ""))
        if role is None:
            raise web.HTTPNotFound(text="nothing is here: the address has a token, which arm-hyp serve prints\n")
        request[_ROLE] = role
        response = await handler(request)
        if not response.prepared:
            for name, value in _HEADERS.items():
                response.headers[name] = value.format(host=request.host)
        return response

    async def _page(self, request: web.Request) -> web.Response:
        holes = {
            "@TITLE@": html.escape(self._title),
            "@SOCKET@": html.escape(f"ws://{request.host}/{request.match_info['token']}/ws"),
            "@ROLE@": request[_ROLE].value,
        }
        text = (_OURS / "page.html").read_text(encoding="utf-8")
        for hole, value in holes.items():
            text = text.replace(hole, value)
        return web.Response(text=text, content_type="text/html")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        found = _FILES.get(request.match_info["file"])
        if found is None:
            raise web.HTTPNotFound(text="nothing is here\n")
        path, kind = found
        return web.Response(body=path.read_bytes(), content_type=kind)

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        if self._connections >= MOST_CONNECTIONS and self._shared is None:
            raise web.HTTPServiceUnavailable(text=f"{MOST_CONNECTIONS} are connected already\n")
        socket = web.WebSocketResponse(heartbeat=15, max_msg_size=_LONGEST_MESSAGE_BYTES)
        await socket.prepare(request)
        screen = Screen.of(request.query.get("width"), request.query.get("height"))
        self._connections += 1
        try:
            await (self._alone(socket, screen) if self._shared is None else self._among(socket, request[_ROLE], screen))
        finally:
            self._connections -= 1
        return socket

    # --- connections -------------------------------------------------------------------------------------------------

    async def _alone(self, socket: web.WebSocketResponse, screen: Screen) -> None:
        """Serve a connection with an application of its own."""
        service = Application(
            self._command,
            write_bytes=socket.send_bytes,
            write_str=socket.send_str,
            close=_closing(socket),
            download_manager=self._downloads,
        )
        await service.start(*screen)
        try:
            async for kind, value in _messages(socket):
                if kind == "stdin":
                    await service.send_bytes(value.encode("utf-8", "replace"))
                elif kind == "resize":
                    await service.set_terminal_size(*_screen_in(value))
                elif kind == "focus":
                    await service.focus()
                else:
                    await service.blur()
        finally:
            await service.end()

    async def _among(self, socket: web.WebSocketResponse, role: Role, screen: Screen) -> None:
        """Serve a connection that looks at the shared application."""
        shared = self._shared
        assert shared is not None
        member: Member = await shared.join(socket, role, screen)
        try:
            async for kind, value in _messages(socket):
                if kind == "stdin":
                    await shared.type(member, value.encode("utf-8", "replace"))
                elif kind == "resize":
                    await shared.resize(member, _screen_in(value))
        finally:
            await shared.leave(member)


def _closing(socket: web.WebSocketResponse) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        await socket.close()

    return close


def _screen_in(value: Any) -> Screen:
    return Screen.of(value.get("width"), value.get("height"))


_KINDS: Final[dict[str, type]] = {"stdin": str, "resize": dict, "focus": type(None), "blur": type(None)}


async def _messages(socket: web.WebSocketResponse) -> Any:
    """Give what a browser sends, of the forms that are known: what it is, and its value."""
    async for message in socket:
        if message.type is not WSMsgType.TEXT:
            continue
        try:
            envelope = json.loads(message.data)
        except (ValueError, RecursionError):
            continue
        if not isinstance(envelope, list) or not envelope or not isinstance(envelope[0], str):
            continue
        kind, value = envelope[0], envelope[1] if len(envelope) > 1 else None
        if kind == "ping":
            await socket.send_json(["pong", value])
        elif kind in _KINDS and isinstance(value, _KINDS[kind]):
            yield kind, value
