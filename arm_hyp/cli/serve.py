"""`arm-hyp serve FILE|RUN.hyp`: what `arm-hyp tui` shows, in a browser on this machine.

Read `tui/serving/server.py` before this file.
"""

from __future__ import annotations

import asyncio
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from arm_hyp.errors import UserError

if TYPE_CHECKING:
    from arm_hyp.tui.serving.server import Server

app = typer.Typer(add_completion=False)

PORT: Final = 8000


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def serve(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE|RUN.hyp", help="What to run, or a recording.")],
    port: Annotated[int, typer.Option(help="The port; 0 takes any that is free.", min=0, max=65535)] = PORT,
    watch: Annotated[
        bool, typer.Option("--watch", help="One run that many look at: a second address is for those who only watch.")
    ] = False,
) -> None:
    """Show a run in a browser, which needs nothing from elsewhere: it is served on 127.0.0.1 alone.

    The address that is printed has a secret in it: whoever knows it has the keys. What else is on the line is for
    `arm-hyp tui` and `arm-hyp run`. Ctrl-C ends it.
    """
    if not Path(file).is_file():
        raise UserError(file, "there is no such file", "name a guest, or a recording")
    from arm_hyp.tui.serving.server import Server  # here: its web server takes a while to import

    command = shlex.join([sys.executable, "-m", "arm_hyp.cli.main", "tui", file, *ctx.args])
    asyncio.run(_serve(Server(command, f"arm-hyp: {Path(file).name}", is_shared=watch), port))


async def _serve(server: Server, port: int) -> None:
    from arm_hyp.tui.serving.gate import Role

    def started(at: int) -> None:
        print(f"open {server.address(at)}", flush=True)
        if server.tokens.watch is not None:
            print(f"to watch only: {server.address(at, Role.WATCH)}", flush=True)
        print("Ctrl-C ends it", flush=True)

    await server.serve(port, started)
