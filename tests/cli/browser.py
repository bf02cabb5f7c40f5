"""Debian's headless Chromium, told what to do over a pipe by its own protocol; it notes every address that it asks for.

Ref: Chrome DevTools Protocol; --remote-debugging-pipe reads commands from descriptor 3, and writes answers to 4.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

COMMAND = "chromium"
_OFFLINE = "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
_LONGEST_S = 60.0


def needs_browser() -> None:
    """Skip the test where there is no Chromium, but not in CI."""
    if shutil.which(COMMAND) is None:
        if os.environ.get("CI") == "1":
            pytest.fail(f"{COMMAND} is not installed")
        pytest.skip(f"{COMMAND} is not installed")


class Browser:
    """One tab."""

    def __init__(self, to: int, answers: int) -> None:
        self._to, self._answers = to, answers
        self._number, self._buffer, self._session = 0, b"", ""
        self.asked_for: list[str] = []
        """The address of every request, also of websockets."""
        self.complaints: list[str] = []
        """What the page's scripts did wrong, or were not allowed to do."""
        self._sent: list[bytes] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """Do something, and return what came of it."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            heard = self._next()
            if heard.get("id") == self._number:
                assert "error" not in heard, (method, heard)
                return heard["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            assert select.select([self._answers], [], [], _LONGEST_S)[0], "the browser does not answer"
            self._buffer += os.read(self._answers, 1 << 16)
        line, _, self._buffer = self._buffer.partition(b"\0")
        heard: dict[str, Any] = json.loads(line)
        if heard.get("method") == "Network.requestWillBeSent":
            self.asked_for.append(heard["params"]["request"]["url"])
        if heard.get("method") == "Network.webSocketCreated":
            self.asked_for.append(heard["params"]["url"])
        if heard.get("method") == "Network.webSocketFrameReceived" and heard["params"]["response"]["opcode"] == 2:
            self._sent.append(base64.b64decode(heard["params"]["response"]["payloadData"]))
        if heard.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(heard["params"]["exceptionDetails"]))
        if heard.get("method") == "Log.entryAdded" and heard["params"]["entry"]["level"] == "error":
            self.complaints.append(heard["params"]["entry"]["text"])
        return heard

    def until_sent(self, is_it: Callable[[bytes], bool]) -> None:
        """Wait until what the page's websocket got since the last call is it."""
        while not is_it(b"".join(self._sent)):
            self._next()
        self._sent.clear()

    def open(self, url: str) -> None:
        """Open a page."""
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete'")

    def value(self, script: str) -> Any:
        """Return what an expression is in the page; a promise is waited for."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until an expression is true in the page."""
        self.value(
            f"new Promise((done, failed) => {{ const limit = Date.now() + {_LONGEST_S * 1000}; const look = () => "
            f"({condition}) ? done(true) : Date.now() > limit ? failed({json.dumps(condition)}) : setTimeout(look, 20);"
            " look(); })"
        )

    def press(self, key: str, code: int) -> None:
        """Press a key that makes no text."""
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def write(self, text: str) -> None:
        """Type a text."""
        for one in text:
            self.call("Input.dispatchKeyEvent", type="keyDown", text=one, key=one)
            self.call("Input.dispatchKeyEvent", type="keyUp", key=one)


@contextlib.contextmanager
def opened_browser() -> Iterator[Browser]:
    """Give a browser that reaches nothing but this machine."""
    commands, to = os.pipe()
    answers, told = os.pipe()
    arguments = [COMMAND, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    arguments += ["--remote-debugging-pipe", "--no-first-run", f"--host-resolver-rules={_OFFLINE}"]
    shell = f'exec "$@" 3<&{commands} 4>&{told}'
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        arguments.append(f"--user-data-dir={profile}")
        process = subprocess.Popen(
            ["bash", "-c", shell, COMMAND, *arguments],
            pass_fds=(commands, told), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(commands)
        os.close(told)
        try:
            yield Browser(to, answers)
        finally:
            os.close(to)  # it ends with that
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            os.close(answers)
