"""`arm-hyp export --to svg|cast|html`: whole, harmless, from nowhere else, and the page works in a browser."""

from __future__ import annotations

import json
import re
import signal
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from browser import needs_browser, opened_browser

from arm_hyp.cli import export_pictures
from arm_hyp.cli.main import main
from arm_hyp.resources import guests_directory

LABELS = ["0  start", "10.2  WFI: EL1 to EL2", "79.1  HVC: EL1 to EL2", "153  the end: the guest powered off"]
HOSTILE = r"""
_start: ldr x1, =0x09000000
        adr x2, text
1:      ldrb w0, [x2], #1
        cbz w0, 2f
        strb w0, [x1]
        b 1b
2:      ldr x0, =0x84000008
        smc #0
text:   .asciz "</script><script>document.title='owned'</script>&amp;\033]0;owned\007\n"
"""


def record(folder: Path, guest: str, *options: str) -> Path:
    file = folder / "run.hyp"
    assert main(["run", guest, *options, "--record", str(file)]) == 0
    return file


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return record(tmp_path, str(guests_directory() / "02-wfi.s"), "--set", "HCR_EL2.TWI=1")


def exported(run: Path, form: str, *options: str) -> str:
    assert main(["export", str(run), "--to", form, "--force", *options]) == 0
    return run.with_suffix(f".{form}").read_text(encoding="utf-8")


def words(svg: str) -> str:
    return "".join(ElementTree.fromstring(svg).itertext()).replace("\xa0", " ")


def test_a_picture_shows_the_first_exception_or_any_place(run: Path) -> None:
    assert "WFI at EL1 traps to EL2 because" in words(exported(run, "svg"))
    other = words(exported(run, "svg", "--at", "79.1", "--panel", "trap", "--size", "60x20", "--theme", "light"))
    assert "HVC #0 at EL1 is a call to EL2" in other and "registers" not in other


def test_what_the_last_step_changed_is_marked_and_nothing_else(run: Path) -> None:
    changed = words(exported(run, "svg", "--at", "12", "--panel", "registers", "--size", "80x20"))
    assert re.findall(r"X\d+ *•", changed) == ["X1 •"]
    assert "•" not in words(exported(run, "svg", "--at", "0", "--panel", "registers", "--size", "80x20"))


def test_with_ascii_a_picture_has_nothing_else(run: Path) -> None:
    assert words(exported(run, "svg", "--ascii", "--size", "80x24")).isascii()


def test_a_cast_has_a_marker_at_every_step(run: Path) -> None:
    head, *rows = [json.loads(line) for line in exported(run, "cast", "--size", "80x24").splitlines()]
    assert head["version"] == 2 and (head["width"], head["height"]) == (80, 24)
    marks = [(time_s, text) for time_s, kind, text in rows if kind == "m"]
    assert [text[: len(label)] for (_, text), label in zip(marks, LABELS, strict=True)] == LABELS
    times = [row[0] for row in rows]
    assert times == sorted(times) and len({time_s for time_s, _ in marks}) == 4 and times[-1] > marks[-1][0]


def test_a_cast_repeats_only_the_lines_that_differ(run: Path) -> None:
    _, *rows = [json.loads(line) for line in exported(run, "cast", "--size", "80x24").splitlines()]
    drawn = [text for _, kind, text in rows if kind == "o"]
    screen: dict[int, str] = {}
    for text in drawn[:-1]:
        for row, line in re.findall(r"\x1b\[(\d+);1H(.*?)(?=\x1b\[\d+;1H|$)", text, re.DOTALL):
            assert screen.get(int(row)) != line
            screen[int(row)] = line
    assert set(screen) == set(range(1, 25)) and "the guest powered off" in screen[24]


def test_a_page_holds_every_instruction_of_a_part(run: Path) -> None:
    page = exported(run, "html", "--steps", "instructions", "--from", "10", "--until", "20")
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    steps = json.loads(found[1])["steps"]
    assert [steps[0]["at"], steps[1]["at"], steps[-1]["at"]] == ["10.1", "10.2", "20"]
    assert {len(step["lines"]) for step in steps} == {40}


def test_a_page_is_bounded_and_says_so(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("arm_hyp.tui.pictures.steps.Steps.most", 3)
    monkeypatch.setattr("arm_hyp.tui.pictures.steps.Steps.__init__.__defaults__", (False, (0, 0), None, 3, False))
    assert '"at":"153"' not in exported(run, "html")
    assert "these are the first 3 steps" in capsys.readouterr().err


def test_what_a_guest_prints_is_text_in_a_page(tmp_path: Path) -> None:
    (guest := tmp_path / "hostile.s").write_text(HOSTILE)
    page = exported(record(tmp_path, str(guest)), "html", "--panel", "consoles", "--size", "100x12")
    assert page.count("<script") == 2 and "</script><script>document" not in page and "\x1b" not in page
    assert "\\u003c/script>" in page


def test_the_page_works_in_a_browser_and_asks_for_nothing(run: Path) -> None:
    needs_browser()
    exported(run, "html")
    with opened_browser() as browser:
        browser.open(f"file://{run.with_suffix('.html')}")
        assert browser.value("document.getElementById('label').textContent") == LABELS[0]
        browser.press("ArrowRight", 39)
        assert browser.value("document.getElementById('label').textContent") == LABELS[1]
        assert "HCR_EL2.TWI traps a WFI" in browser.value("document.getElementById('screen').textContent")
        browser.press("End", 35)
        assert browser.value("document.getElementById('slider').value") == "3"
        colours = "getComputedStyle(document.body).backgroundColor"
        before = browser.value(colours)
        browser.write("t")
        assert browser.value(colours) != before
        assert browser.asked_for == [f"file://{run.with_suffix('.html')}"]


def test_what_a_guest_prints_is_not_run_in_a_browser(tmp_path: Path) -> None:
    needs_browser()
    (guest := tmp_path / "hostile.s").write_text(HOSTILE)
    file = record(tmp_path, str(guest))
    exported(file, "html", "--panel", "consoles", "--size", "100x12")
    with opened_browser() as browser:
        browser.open(f"file://{file.with_suffix('.html')}")
        browser.press("End", 35)
        assert "</script><script>document" in browser.value("document.getElementById('screen').textContent")
        assert browser.value("document.title") == "arm-hyp: run.hyp"


@pytest.mark.parametrize("form", ["svg", "cast", "html"])
def test_an_interrupted_one_leaves_no_file(
    form: str, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original = export_pictures.Painter.open

    async def interrupted(painter: export_pictures.Painter) -> None:
        await original(painter)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(export_pictures.Painter, "open", interrupted)
    assert main(["export", str(run), "--to", form]) == 130
    assert "was not written" in capsys.readouterr().err
    assert [path.name for path in run.parent.iterdir()] == [run.name]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--to", "svg", "--panel", "nonsense"), "there is no such panel"),
        (("--to", "svg", "--size", "big"), "is not COLUMNSxROWS"),
        (("--to", "svg", "--at", "x"), "is not N or N.SEQ"),
        (("--to", "svg", "--at", "154"), "the run ends at 153"),
        (("--to", "html", "--steps", "weeks"), "no such kind of steps"),
        (("--to", "html", "--theme", "pink"), "no such theme"),
        (("--to", "html", "--from", "1000000"), "the run ends at 153"),
        (("--to", "html", "--from", "20", "--until", "10"), "nothing lies before it"),
        (("--to", "csv", "--panel", "trap"), "is not for csv"),
        (("--to", "html", "--at", "10"), "is not for html"),
        (("--to", "svg", "--from", "10"), "a picture is of one place"),
        (("--to", "svg", "--steps", "instructions"), "is not for svg"),
        (("--to", "svg", "-o", "nowhere/file"), "no such directory"),
    ],
)
def test_bad_options(arguments: tuple[str, ...], said: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["export", str(run), *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert [path.name for path in run.parent.iterdir()] == [run.name]
