"""`arm-hyp serve`: a browser with no network opens it, a key is pressed, the screen changes; others only watch."""

from __future__ import annotations

import asyncio
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession
from browser import Browser, needs_browser, opened_browser

from arm_hyp.cli.main import main
from arm_hyp.resources import guests_directory

GUEST = str(guests_directory() / "02-wfi.s")
_BYTES = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]")


@contextmanager
def served(*arguments: str) -> Iterator[list[str]]:
    """Serve the guest, and give the addresses that are printed."""
    command = [sys.executable, "-m", "arm_hyp.cli.main", "serve", GUEST, "--port", "0", "--set", "HCR_EL2.TWI=1"]
    with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        addresses = []
        while not (line := process.stdout.readline()).startswith("Ctrl-C"):
            addresses.append(line.split()[-1])
        try:
            yield addresses
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def heard(browser: Browser, text: str) -> None:
    """Wait until something was sent to the page's terminal; escape sequences are left out."""
    browser.until_sent(lambda data: text in _BYTES.sub(b"", data).decode("utf-8", "replace"))


def screen(browser: Browser) -> str:
    """Return a picture of the page."""
    found: str = browser.call("Page.captureScreenshot")["data"]
    return found


def test_a_key_changes_the_screen_of_a_browser_without_a_network() -> None:
    needs_browser()
    with served() as (address,), opened_browser() as browser:
        browser.open(address)
        heard(browser, "press PgDn")
        browser.until("document.activeElement.classList.contains('xterm-helper-textarea')")
        before = screen(browser)
        browser.press("PageDown", 34)
        heard(browser, "HCR_EL2.[TWI]")
        browser.until("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")
        assert screen(browser) != before
        assert len(browser.asked_for) > 4
        home = address.removeprefix("http://")
        assert all(one.split("://", 1)[1].startswith(home) for one in browser.asked_for), browser.asked_for
        assert browser.complaints == []
        browser.write("q")
        browser.until("document.body.classList.contains('-closed')")


def test_who_watches_sees_what_who_drives_does_and_cannot_do_it() -> None:
    needs_browser()
    with served("--watch") as (drive, watch), opened_browser() as driver, opened_browser() as watcher:
        driver.open(drive)
        heard(driver, "press PgDn")
        watcher.open(watch)
        heard(watcher, "the ladder")
        watcher.press("PageDown", 34)
        watcher.write("q")
        driver.write("+")
        driver.press("PageDown", 34)
        driver.press("PageDown", 34)
        heard(watcher, "HVC")
        assert not watcher.value("document.body.classList.contains('-closed')")
        driver.write("q")
        watcher.until("document.body.classList.contains('-closed')")


def test_the_application_ends_with_a_server_that_is_killed() -> None:
    async def look(address: str, pid: int) -> int:
        headers = {"Origin": address[: address.index("/", len("http://"))]}
        async with ClientSession() as session, session.ws_connect(f"{address}ws", headers=headers) as socket:
            await socket.receive()
            (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            return os.pidfd_open(int(child))

    command = [sys.executable, "-m", "arm_hyp.cli.main", "serve", GUEST, "--port", "0", "--watch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = asyncio.run(look(process.stdout.readline().split()[-1], process.pid))
        process.kill()
    assert select.select([child], [], [], 60)[0], "it is still there"
    os.close(child)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere.s",), "there is no such file"),
        ((GUEST, "--port", "99999"), "--port"),
        ((GUEST, "--port", "-1"), "--port"),
    ],
)
def test_bad_options(arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
