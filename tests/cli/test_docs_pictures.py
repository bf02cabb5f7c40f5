"""The pictures in docs/ are what the program draws now: those that `make pictures` makes, as the Makefile says."""

from __future__ import annotations

import re
import shlex
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from arm_hyp.cli.main import main
from arm_hyp.resources import guests_directory

ROOT = Path(__file__).resolve().parents[2]
RECIPE = (ROOT / "Makefile").read_text(encoding="utf-8")
RECORDED = dict(re.findall(r"\$\(call recorded,(\w+),(.+?)\)(?: \|\| true)?$", RECIPE, re.MULTILINE))
DRAWN = re.findall(r"\$\(call drawn,(\w+),([\w-]+),(.+)\)$", RECIPE, re.MULTILINE)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Record every run that is drawn."""
    folder = tmp_path_factory.mktemp("pictures")
    for name, line in RECORDED.items():
        guest, *options = shlex.split(line)
        main(["run", str(guests_directory() / guest), *options, "--record", str(folder / f"{name}.hyp")])
    return {name: folder / f"{name}.hyp" for name in RECORDED}


def test_every_picture_of_the_terminal_is_made_by_the_makefile() -> None:
    assert {path.stem for path in (ROOT / "docs").glob("terminal-*.svg")} == {name for _, name, _ in DRAWN}
    assert {run for run, _, _ in DRAWN} == RECORDED.keys() != set()


@pytest.mark.parametrize(("run", "name", "options"), DRAWN, ids=[name for _, name, _ in DRAWN])
def test_a_picture_in_the_docs_is_drawn_so_now(
    run: str, name: str, options: str, recordings: dict[str, Path], tmp_path: Path
) -> None:
    made = tmp_path / "made.svg"
    assert main(["export", str(recordings[run]), "--to", "svg", "-o", str(made), *shlex.split(options)]) == 0
    assert words(made) == words(ROOT / "docs" / f"{name}.svg"), "run `make pictures`, and look at what has changed"


def words(picture: Path) -> list[str]:
    """Return the lines of text in a picture."""
    found = ElementTree.parse(picture).getroot().iter("{http://www.w3.org/2000/svg}text")
    return ["".join(one.itertext()).replace("\xa0", " ") for one in found]
