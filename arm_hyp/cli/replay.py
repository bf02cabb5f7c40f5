"""`arm-hyp replay run.hyp`: repeat a recorded run, with any trace, table or check that `run` has.

Read `timeline/recordings/replay.py`, `cli/recorded.py` and `cli/session.py` before this file.
"""

from __future__ import annotations

from typing import Annotated

import typer

from arm_hyp.cli.dumps import parse_dumps
from arm_hyp.cli.run import counts_exceptions, parse_checks
from arm_hyp.cli.run_options import TRACE_FORMATS, RunCommand, one_of
from arm_hyp.cli.session import Session
from arm_hyp.cli.settings import Settings
from arm_hyp.timeline.process.pipe import RecordingFile
from arm_hyp.timeline.recordings.replay import Replay

app = typer.Typer(add_completion=False)


@app.command(cls=RunCommand)
def replay(
    recording: Annotated[str, typer.Argument(metavar="RUN.hyp", help="What `arm-hyp run --record` wrote.")],
    files: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH", help="A file of the run that is not in it, or a directory to look in. Repeatable."
        ),
    ] = None,
    stat: Annotated[
        bool, typer.Option("--stat", help="Print exceptions, devices, interrupts, exits of VMs and speed.")
    ] = False,
    diagnose: Annotated[
        bool, typer.Option("--diagnose", help="Say at the end what the guest does, or waits for, however it ended.")
    ] = False,
    dump: Annotated[
        str, typer.Option(help="Print at the end, of each VM: vcpus, stage2, vgic (with commas).", metavar="NAMES")
    ] = "",
    trace: Annotated[str | None, typer.Option(help="Write a trace to this file; - is standard output.")] = None,
    trace_format: Annotated[
        str,
        typer.Option(help="text, why (with the reason of each exception), jsonl, kvm (as ftrace), csv or perfetto."),
    ] = "text",
    check: Annotated[
        str, typer.Option(help="Watch for mistakes: all, none, or codes as HYP001,HYP012.", metavar="CODES")
    ] = "none",
    branch: Annotated[
        str | None, typer.Option(help="Repeat this branch, where something was changed, not the recorded run itself.")
    ] = None,
    gdb: Annotated[
        str | None,
        typer.Option(help="Wait for gdb at the start, on this port (1234; 0: any).", metavar="[[HOST:]PORT]"),
    ] = None,
) -> None:
    """Repeat a recorded run exactly. Exit status: the recorded one, 3 if the replay differs, 2 on bad input.

    Nobody's code is imported: what Python handlers did is in the recording. Nothing is read from paths that are in it.
    """
    checks, form = parse_checks(check), one_of("--trace-format", trace_format, TRACE_FORMATS, "format")
    with Replay.open(recording, files or ()) as opened:
        configuration = opened.configuration
        settings = Settings(
            limit=opened.recording.run.limit,
            until=opened.recording.run.until,
            trace=trace,
            trace_format=form,
            has_statistics=stat,
            always_diagnoses=diagnose,
            dumps=parse_dumps(dump, has_vms=configuration.hypervisor is not None),
            counts_exceptions=counts_exceptions(configuration),
            wants_terminal=False,
            checks=checks,
            branch=branch,
            gdb=gdb,
        )
        if gdb is not None:
            from arm_hyp.cli.gdb import GdbRun  # here: most recordings are only repeated

            end = opened.recording.end
            raise typer.Exit(GdbRun(configuration, settings, RecordingFile(recording, tuple(files or ())), end).run())
        status = Session(configuration, settings, opened).run()
    raise typer.Exit(status)
