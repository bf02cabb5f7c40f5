"""Serving: who may come in, and who has the keys. The application is a small one that echoes what it is sent."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError
from aiohttp.test_utils import TestClient, TestServer

from arm_hyp.errors import UserError
from arm_hyp.tui.serving.app_process import Screen
from arm_hyp.tui.serving.gate import Role, Tokens, refusal
from arm_hyp.tui.serving.server import Server

ECHO = r"""
import os, sys
def put(kind, data): os.write(1, kind + len(data).to_bytes(4, "big") + data)
os.write(1, b"__GANGLION__\n")
put(b"D", b"begins %s x %s" % (os.environb[b"COLUMNS"], os.environb[b"ROWS"]))
while head := sys.stdin.buffer.read(5):
    data = sys.stdin.buffer.read(int.from_bytes(head[1:], "big"))
    if data == b'{"type": "quit"}' or data == b"q":
        put(b"M", b'{"type": "exit"}')
        break
    put(b"D", head[:1] + data)
"""
COMMAND = shlex.join([sys.executable, "-c", ECHO])


# --- the gate ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "origin", "needs_origin", "is_refused"),
    [
        ("127.0.0.1:8000", None, False, False),
        ("localhost:1", None, False, False),
        ("[::1]:1", None, False, False),
        ("127.0.0.1:8000", "http://127.0.0.1:8000", True, False),
        ("127.0.0.1:8000", None, True, True),
        ("127.0.0.1:8000", "http://localhost:8000", True, True),
        ("127.0.0.1:8000", "http://127.0.0.1:8001", True, True),
        ("127.0.0.1:8000", "http://evil.example", False, True),
        ("127.0.0.1:8000", "null", True, True),
        ("evil.example:8000", None, False, True),
        ("evil.example", "http://evil.example", True, True),
        ("127.0.0.1.evil.example:8000", None, False, True),
        ("localhost.evil.example", None, False, True),
        ("127.0.0.1:8000@evil.example", None, False, True),
        ("", None, False, True),
    ],
)
def test_only_pages_of_this_server_come_in(host: str, origin: str | None, needs_origin: bool, is_refused: bool) -> None:
    assert bool(refusal(host, origin, needs_origin=needs_origin)) == is_refused


def test_tokens_are_new_each_time_and_nothing_else_is_one() -> None:
    tokens = Tokens.new(can_watch=True)
    assert tokens.watch is not None and len({*tokens, *Tokens.new(can_watch=True)}) == 4
    assert tokens.role_of(tokens.drive) is Role.DRIVE and tokens.role_of(tokens.watch) is Role.WATCH
    assert {tokens.role_of(one) for one in ("", "x", tokens.drive[:-1], f"{tokens.drive} ", "\udc80é")} == {None}
    assert Tokens.new(can_watch=False).role_of("None") is None


@pytest.mark.parametrize(
    ("width", "height", "screen"),
    [("120", "40", (120, 40)), (None, "x", (20, 5)), (-1, 10**9, (20, 200)), (1e400, [], (20, 5))],
)
def test_a_size_is_within_bounds(width: object, height: object, screen: tuple[int, int]) -> None:
    assert Screen.of(width, height) == screen


# --- the server -------------------------------------------------------------------------------------------------------


def with_client(server: Server, do: Callable[[TestClient], Awaitable[None]]) -> None:
    async def run() -> None:
        async with TestClient(TestServer(server.application())) as client:
            await asyncio.wait_for(do(client), 60)

    asyncio.run(run())


def origin_of(client: TestClient) -> str:
    return f"http://{client.host}:{client.port}"


async def connected(
    client: TestClient, token: str | None, size: str = "?width=100&height=30"
) -> ClientWebSocketResponse:
    return await client.ws_connect(f"/{token}/ws{size}", headers={"Origin": origin_of(client)})


async def shown(socket: ClientWebSocketResponse, text: bytes) -> bytes:
    """Return what is shown, up to a text."""
    seen = b""
    while text not in seen:
        message = await socket.receive()
        assert message.type is WSMsgType.BINARY, (message, seen)
        seen += message.data
    return seen


def make(*, is_shared: bool = False) -> Server:
    return Server(COMMAND, "a <title>", is_shared=is_shared)


def test_without_the_token_there_is_nothing() -> None:
    server = make()

    async def do(client: TestClient) -> None:
        for path in ("/", "/x/", "/static/js/textual.js", "/x/textual.js", f"/{server.tokens.drive}x/"):
            response = await client.get(path)
            assert response.status == 404 and "textual" not in await response.text()
        with pytest.raises(WSServerHandshakeError, match="404"):
            await connected(client, "x")

    with_client(server, do)


def test_the_page_loads_nothing_but_its_own_files_and_says_so() -> None:
    server = make()

    async def do(client: TestClient) -> None:
        response = await client.get(f"/{server.tokens.drive}/")
        text = await response.text()
        assert response.status == 200 and "a &lt;title&gt;" in text
        assert "http://" not in text and "https://" not in text and f"ws://{client.host}:{client.port}/" in text
        policy = response.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert f"connect-src ws://{client.host}:{client.port};" in policy
        for file in ("textual.js", "xterm.css", "mono.ttf", "page.js"):
            assert (await client.get(f"/{server.tokens.drive}/{file}")).status == 200
        for file in ("server.py", "page.html", "..%2f..%2fcli%2fmain.py", "%2fetc%2fpasswd"):
            assert (await client.get(f"/{server.tokens.drive}/{file}")).status == 404

    with_client(server, do)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
    ],
)
def test_who_comes_from_elsewhere_is_refused_though_the_token_is_right(headers: dict[str, str]) -> None:
    server = make()

    async def do(client: TestClient) -> None:
        assert (await client.get(f"/{server.tokens.drive}/", headers=headers)).status == 403
        with pytest.raises(WSServerHandshakeError, match="403"):
            await client.ws_connect(f"/{server.tokens.drive}/ws", headers=headers)
        with pytest.raises(WSServerHandshakeError, match="403"):
            await client.ws_connect(f"/{server.tokens.drive}/ws")  # no browser: there is no Origin

    with_client(server, do)


def test_each_connection_has_its_own_application() -> None:
    server = make()

    async def do(client: TestClient) -> None:
        one, other = await connected(client, server.tokens.drive), await connected(client, server.tokens.drive, "")
        await shown(one, b"begins 100 x 30")
        await shown(other, b"begins 20 x 5")
        await one.send_json(["stdin", "a"])
        assert await shown(one, b"Da") == b"Da"
        await one.send_json(["resize", {"width": 90, "height": 20}])
        assert await shown(one, b"20}") == b'M{"type": "resize", "width": 90, "height": 20}'
        await one.send_json(["stdin", "q"])
        assert (await one.receive()).type is WSMsgType.CLOSE
        await other.send_json(["stdin", "still there"])
        await shown(other, b"still there")
        await other.close()

    with_client(server, do)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "[1]", '["stdin"]', '["stdin", 1]', '["resize", 3]', '["quit", "x"]', "[" * 100_000],
    ids=range(9),
)
def test_messages_of_no_known_form_are_passed_over(text: str) -> None:
    server = make()

    async def do(client: TestClient) -> None:
        socket = await connected(client, server.tokens.drive)
        await socket.send_str(text)
        await socket.send_json(["stdin", "end"])
        assert b"quit" not in await shown(socket, b"Dend")
        await socket.close()

    with_client(server, do)


def test_many_look_at_one_application_and_only_who_drives_has_its_keys() -> None:
    server = make(is_shared=True)

    async def do(client: TestClient) -> None:
        driver = await connected(client, server.tokens.drive)
        await shown(driver, b"begins 100 x 30")
        watcher = await connected(client, server.tokens.watch, "?width=90&height=50")
        assert (await shown(watcher, b'"width": 90, "height": 30}')).startswith(b"\x1b[?1049h")  # drawn for both
        await watcher.send_json(["stdin", "q"])
        await driver.send_json(["stdin", "keys"])
        assert b"Dq" not in await shown(watcher, b"Dkeys")
        await shown(driver, b"Dkeys")
        await watcher.close()
        await shown(driver, b'"width": 100, "height": 30}')  # as large as it was
        await driver.close()
        again = await connected(client, server.tokens.drive)  # it goes on without anybody
        assert b"begins" not in await shown(again, b'"height": 30}')
        await again.send_json(["stdin", "q"])
        while (await again.receive()).type is not WSMsgType.CLOSE:
            pass
        fresh = await connected(client, server.tokens.drive)
        await shown(fresh, b"begins 100 x 30")
        await fresh.send_json(["stdin", "q"])

    with_client(server, do)


def test_a_port_that_is_taken_is_said() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        first, port = make(), loop.create_future()
        serving = asyncio.ensure_future(first.serve(0, port.set_result))
        taken = await asyncio.wait_for(port, 60)
        assert first.address(taken) == f"http://127.0.0.1:{taken}/{first.tokens.drive}/"
        with pytest.raises(UserError, match="0 takes any that is free"):
            await make().serve(taken, lambda _port: None)
        first.stop()
        await asyncio.wait_for(serving, 60)

    asyncio.run(run())
