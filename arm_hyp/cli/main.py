"""Start `arm-hyp COMMAND`: import that command's module only, and turn what went wrong into one line and a status.

Read `arm_hyp/errors.py` before this file, then the command's module, e.g. `run.py`. Each module exports `app`, a
Typer application (`Typer(add_completion=False)`). Start-up time is a feature (a guest should run at once), so
nothing heavy is imported up here, and a command that was not asked for is known by its name and summary alone.

Exit status: what the command says (`raise typer.Exit(code)`), 2 for bad input, 130 after Ctrl-C.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand
from typer.main import get_command, get_group

from arm_hyp import __version__
from arm_hyp.errors import UserError

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


class Command(NamedTuple):
    """One row of the table: where a command lives, and what `--help` says of it. A group has commands of its own."""

    module: str
    summary: str
    is_group: bool = False


COMMANDS: dict[str, Command] = {
    "run": Command("arm_hyp.cli.run", "Run a guest: assembly, ELF, arm64 Image, raw binary or flash."),
    "tui": Command("arm_hyp.cli.tui", "Show a run or a recording in the terminal: step, go back, ask why, what if."),
    "serve": Command("arm_hyp.cli.serve", "Show a run or a recording in a browser on this machine."),
    "replay": Command("arm_hyp.cli.replay", "Repeat a recorded run, and see what you like of it."),
    "find": Command("arm_hyp.cli.find", "Find where in a run something happened: a condition on its events."),
    "who": Command("arm_hyp.cli.who", "Say who changed a register, a field, memory or a descriptor last."),
    "show": Command("arm_hyp.cli.show", "Show the machine at any position of a run, or steps back from there."),
    "diff": Command("arm_hyp.cli.diff", "Say where two recorded runs part, or two branches of one."),
    "marks": Command("arm_hyp.cli.marks", "Name positions of a recording."),
    "export": Command("arm_hyp.cli.export", "Write a recorded run for Perfetto, or as ftrace, JSON Lines or CSV."),
    "explain": Command(
        "arm_hyp.cli.explain", "Say why an instruction traps, what a bit catches, what a syndrome says.", is_group=True
    ),
    "walk": Command("arm_hyp.cli.walk", "Show how an address is translated at a point of a run, step by step."),
    "whatif": Command("arm_hyp.cli.whatif", "Run a guest without and with a change, and show where the two runs part."),
    "init": Command("arm_hyp.cli.init", "Make a folder for your work in the course."),
    "course": Command(
        "arm_hyp.cli.course", "Open the course in the terminal, where you were last; as no command does."
    ),
    "lesson": Command(
        "arm_hyp.cli.lesson", "Work through the course: check, hint, next, watch, and lint for authors.", is_group=True
    ),
    "grade": Command("arm_hyp.cli.grade", "Judge what students handed in, with points and reports.", is_group=True),
    "demo": Command(
        "arm_hyp.cli.demo", "Play a tour in the terminal, or show the first trap: HCR_EL2.TWI clear and set."
    ),
    "doctor": Command("arm_hyp.cli.doctor", "Check versions, and that the core behaves as expected."),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and answer its exit status; `arguments` are the process's own by default."""
    try:
        status = _dispatch(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
        return status
    except UserError as error:
        return _refuse(str(error) if error.thing.startswith("arm-hyp ") else f"arm-hyp: {error}")
    except typer.TyperException as error:
        return _refuse(_usage_line(error))
    except (KeyboardInterrupt, typer.Abort):
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _discard_output()  # whoever read our output has gone (`| head`)
        return 1
    except OSError as error:
        _discard_output()
        thing = error.filename or "standard output"
        return _refuse(f"arm-hyp: {thing}: {error.strerror or error}; write somewhere else, or make room")


def _discard_output() -> None:
    """Let the interpreter's last flush of standard output go nowhere, silently."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)


def _dispatch(arguments: list[str]) -> int:
    arguments = arguments or ["course" if sys.stdin.isatty() and sys.stdout.isatty() else "--help"]
    wanted = next((word for word in arguments if not word.startswith("-")), None)
    group = get_group(_application())
    for name, command in COMMANDS.items():
        group.add_command(
            _load(command, arguments) if name == wanted else TyperCommand(name, help=command.summary), name
        )
    result = group.main(arguments, prog_name="arm-hyp", standalone_mode=False)
    return result if isinstance(result, int) else 0


def _load(command: Command, arguments: Sequence[str]) -> Any:
    app: typer.Typer = importlib.import_module(command.module).app
    # Rich's help is for those who ask for it: it would double the start-up time of everything else.
    app.rich_markup_mode = "rich" if "--help" in arguments else None
    return get_group(app) if command.is_group else get_command(app)


def _application() -> typer.Typer:
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.callback(help=sys.modules["arm_hyp"].__doc__)(_global_options)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"arm-hyp {__version__}")
        raise typer.Exit


def _global_options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options that come before the command; `--version` does its work in its callback."""


def _usage_line(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "arm-hyp"
    message = error.format_message()
    if "\n" in message:  # a group called without a command answers with its help
        return message
    return f"{path}: {message.rstrip('.')}; try '{path} --help'"


def _refuse(line: str) -> int:
    print(line, file=sys.stderr)
    return EXIT_BAD_INPUT


if __name__ == "__main__":
    sys.exit(main())
