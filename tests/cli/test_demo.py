"""`arm-hyp demo`: both traces, the reason on top, at 80 columns and wider, plain and as a picture."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from arm_hyp.cli.main import main

REASON = "WFI at EL1 waits in the CPU itself while HCR_EL2.TWI is 0, and traps to EL2 when HCR_EL2.TWI is 1"


def shown_lines(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(["demo", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("columns", [80, 100, 132])
def test_the_reason_stands_on_top_and_no_line_is_wider_than_the_screen(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = shown_lines(capsys)
    assert " ".join(" ".join(lines[:3]).split()).startswith(REASON)
    assert max(map(len, lines)) <= columns
    titles = next(line for line in lines if "HCR_EL2.TWI = 0" in line)
    assert titles.index("HCR_EL2.TWI = 0") < columns // 2 < titles.index("HCR_EL2.TWI = 1")


def test_only_the_right_run_traps(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    lines = [line for line in shown_lines(capsys) if line.startswith("│")]
    left = " ".join(line[:50] for line in lines)
    right = " ".join(line[50:] for line in lines)
    assert "wfi  the CPU waits" in left and "-> EL2" not in left
    assert "wfi -> EL2" in right and "WFx: trapped WFI" in right and "the CPU waits" not in right


def test_plain_has_neither_colours_nor_frames_of_other_than_ascii(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert main(["demo", "--plain"]) == 0
    plain = capsys.readouterr().out
    assert plain.isascii() and "\x1b" not in plain


def test_no_color_is_honoured(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert main(["demo"]) == 0
    assert "\x1b[1;31m" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(["demo"]) == 0
    assert "31m" not in capsys.readouterr().out


def test_the_picture_is_svg_that_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "trap.svg"
    assert main(["demo", "--svg", str(file)]) == 0
    text = file.read_text()
    assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert "url(http" not in text and "@font-face" not in text and "@import" not in text and "<image" not in text
    assert "trapped" in text and text == text.replace("Fira Code", "")


def test_the_picture_of_the_readme_is_what_the_program_draws(tmp_path: Path) -> None:
    file = tmp_path / "trap.svg"
    assert main(["demo", "--svg", str(file)]) == 0
    kept = Path(__file__).parents[2] / "docs" / "first-trap.svg"
    assert file.read_text() == kept.read_text(), "make it again: arm-hyp demo --svg docs/first-trap.svg"


def test_a_picture_that_cannot_be_written_is_one_line_and_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--svg", str(tmp_path / "no" / "trap.svg")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "cannot be written" in error


def test_without_a_terminal_the_tours_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    shown = "\n".join(shown_lines(capsys))
    assert "arm-hyp demo wfi " in shown and "arm-hyp demo demand-paging " in shown
    assert "arm-hyp demo wfi " not in "\n".join(shown_lines(capsys, "--compare"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("wfi",), "there is no terminal"),
        (("nonsense",), "there is no such tour"),
        (("wfi", "--theme", "pink"), "no such theme"),
        (("wfi", "--speed", "0"), "--speed"),
    ],
)
def test_a_tour_that_cannot_be_played_is_one_line_and_status_2(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
