"""`arm-hyp grade SUBMISSION...`: judge what students handed in; `arm-hyp grade bundle`: an autograder for Gradescope.

Read `course/grading/` before this file. Exit status: 0 if all was graded, 1 with --must-pass if not all passed, 3 if
something was not graded, 2 on bad input.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from typer.core import TyperGroup

from arm_hyp import __version__
from arm_hyp.course.files import write_whole
from arm_hyp.course.grading import bundle as bundles
from arm_hyp.course.grading.class_report import details, tables, to_csv
from arm_hyp.course.grading.formats import FORMATS
from arm_hyp.course.grading.grade import DEFAULT_SEED, Grader, Settings
from arm_hyp.course.grading.pool import Pool
from arm_hyp.course.grading.results import Report, SubmissionResult
from arm_hyp.course.grading.worker import Order
from arm_hyp.course.sandbox import Limits
from arm_hyp.course.verdict import printable
from arm_hyp.errors import UserError

_TABLE: Final = "table"
_UNGRADED: Final = 3
_GRADE: Final = "submissions"


class _Group(TyperGroup):
    """A group whose other command needs no name: what is no command is a submission."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take options in front for those of that command."""
        is_option = bool(args) and args[0].startswith("-") and args[0] != "--help"
        return super().parse_args(ctx, [_GRADE, *args] if is_option else args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the words name."""
        return super().resolve_command(ctx, args if args[0] in self.commands else [_GRADE, *args])


app = typer.Typer(add_completion=False, cls=_Group)

Lessons = Annotated[str, typer.Option(metavar="DIR", help="The folder of the course; the program's own without it.")]
Lesson = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="A lesson that counts: name or number. Repeatable; else all.")
]
Hidden = Annotated[
    str, typer.Option(metavar="DIR", help="A folder with LESSON/checks.py: further checks that students do not have.")
]
Seed = Annotated[int, typer.Option(help="What the numbers in guests are drawn from.")]


@app.callback(invoke_without_command=True)
def grade(context: typer.Context) -> None:
    """Judge what students handed in.

    arm-hyp grade SUBMISSION... judges folders and zip files (its options: arm-hyp grade submissions --help);
    arm-hyp grade bundle writes an autograder for Gradescope.
    """
    if context.invoked_subcommand is None:
        raise UserError("arm-hyp grade", "there is nothing to grade", "name folders or zip files")


@app.command(_GRADE)
def submissions(
    names: Annotated[list[str], typer.Argument(metavar="SUBMISSION...", help="Folders and zip files.")],
    lessons: Lessons = "",
    lesson: Lesson = None,
    hidden: Hidden = "",
    seed: Seed = DEFAULT_SEED,
    jobs: Annotated[int, typer.Option(help="How many are judged at once; 0: as many as there are CPUs.")] = 0,
    format: Annotated[str, typer.Option(help="table, json, gradescope, junit or check50.")] = _TABLE,
    output: Annotated[str, typer.Option(metavar="FILE", help="Where that goes; - is standard output.")] = "-",
    csv: Annotated[str, typer.Option(metavar="FILE", help="Write the class report as CSV, too (- as above).")] = "",
    recordings: Annotated[
        str, typer.Option(metavar="DIR", help="Keep the runs that fail, to be opened where they went astray.")
    ] = "",
    wall: Annotated[float, typer.Option(help="Seconds for one run; what takes longer is not graded.")] = 60.0,
    must_pass: Annotated[bool, typer.Option("--must-pass", help="Exit with 1 unless everything is passed.")] = False,
) -> None:  # fmt: skip
    """Judge submissions: every task of every lesson that counts, in processes that never import students' code."""
    if format not in (_TABLE, *FORMATS):
        raise UserError(f"--format {format}", "there is no such format", f"use {', '.join((_TABLE, *FORMATS))}")
    settings = Settings(
        lessons=tuple(lesson or ()),
        course=_folder("--lessons", lessons),
        hidden=_folder("--hidden", hidden),
        recordings=str(Path(recordings).resolve()) if recordings else "",
        seed=seed,
        limits=Limits(wall_s=wall),
    )
    report = _report(Grader(settings), _orders(names), jobs or os.cpu_count() or 1)
    _put(output, _text(report, format))
    if csv:
        _put(csv, to_csv(report))
    raise typer.Exit(_status(report, must_pass))


def _folder(option: str, name: str) -> str:
    if name and not Path(name).is_dir():
        raise UserError(f"{option} {name}", "is no folder", "check the path")
    return str(Path(name).resolve()) if name else ""


def _orders(names: list[str]) -> list[Order]:
    """Return what is to be done, under names that differ. Raises: UserError."""
    paths = [Path(os.path.abspath(name)) for name in names]
    plain = [path.name if path.is_dir() else path.stem for path in paths]
    unique = [short if plain.count(short) == 1 else name for short, name in zip(plain, names, strict=True)]
    unique = [printable(name).replace("\n", "?") for name in unique]
    for name in unique:
        if unique.count(name) > 1:
            raise UserError(f"submission {name}", "is there twice")
    for name, path in zip(unique, paths, strict=True):
        if not os.path.lexists(path):
            raise UserError(f"submission {name}", "is not there", "name a folder or a zip file")
    return [Order(name, str(path)) for name, path in zip(unique, paths, strict=True)]


def _report(grader: Grader, orders: list[Order], jobs: int) -> Report:
    hidden = grader.hidden_checks()
    with Pool(grader, min(jobs, len(orders)), _Progress(len(orders)).show) as pool:
        found = pool.grade(orders)
    return Report(
        title=grader.catalogue.selection.title,
        library_version=__version__,
        seed=grader.settings.seed,
        versions={lesson.name: lesson.head.version for lesson in grader.lessons},
        submissions=found,
        hidden=hidden,
    )


class _Progress:
    """Says at a terminal how many are done."""

    def __init__(self, count: int) -> None:
        self._count, self._done = count, 0

    def show(self, result: SubmissionResult) -> None:
        """Count one more."""
        self._done += 1
        if sys.stderr.isatty():
            end = "\n" if self._done >= self._count else ""
            print(f"\r{self._done} of {self._count} judged", end=end, file=sys.stderr, flush=True)


def _text(report: Report, format: str) -> str:
    if format != _TABLE:
        return FORMATS[format](report)
    console = Console(file=sys.stdout)
    with console.capture() as captured:
        console.print(tables(report, console.width))
    only = details(report.submissions[0]) if len(report.submissions) == 1 else ""
    return captured.get() + only


def _put(target: str, text: str) -> None:
    if target == "-":
        print(text, end="")
    else:
        write_whole(Path(target), text.encode())


def _status(report: Report, must_pass: bool) -> int:
    if not all(one.is_graded for one in report.submissions):
        return _UNGRADED
    return int(must_pass and any(one.status != "passed" for one in report.submissions))


@app.command()
def bundle(
    output: Annotated[str, typer.Argument(metavar="FILE.zip", help="The file to be written.")] = "autograder.zip",
    lessons: Lessons = "",
    lesson: Lesson = None,
    hidden: Hidden = "",
    seed: Seed = DEFAULT_SEED,
    python: Annotated[str, typer.Option(help="The Python of the container: 3.11, 3.12 or 3.13.")] = bundles.PYTHONS[0],
    wheel: Annotated[str, typer.Option(metavar="FILE", help="This program's wheel; else it is made.")] = "",
) -> None:  # fmt: skip
    """Write an autograder for Gradescope, with all wheels that it needs."""
    if python not in bundles.PYTHONS:
        raise UserError(f"--python {python}", "is not supported", f"use {', '.join(bundles.PYTHONS)}")
    if wheel and not Path(wheel).is_file():
        raise UserError(f"--wheel {wheel}", "is no file", "build it: make wheel")
    settings = Settings(
        lessons=tuple(lesson or ()), course=_folder("--lessons", lessons), hidden=_folder("--hidden", hidden), seed=seed
    )
    grader = Grader(settings)
    grader.hidden_checks()  # a broken one is told now
    with tempfile.TemporaryDirectory() as wheels:
        bundles.fetch(bundles.Wanted(python, Path(wheel).resolve() if wheel else None), Path(wheels))
        size_bytes = bundles.write_bundle(Path(output), settings, grader.catalogue, Path(wheels))
    print(f"{output}: {size_bytes / (1 << 20):.1f} MiB, for Python {python} on x86-64 Linux")
