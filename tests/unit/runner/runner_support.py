"""Runners of small assembly guests."""

from pathlib import Path

from arm_hyp.events import EventSink
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.runner import Runner

LIMIT = 5_000_000
OFF = """
    movz x0, #0x8400, lsl #16
    movk x0, #0x0008
    smc #0
"""
ECHO = f"""
    mov  x19, #0x09000000
    mov  w0, #0x10              // UARTLCR_H.FEN
    str  w0, [x19, #0x2c]
wait:
    mov  x9, #2000
pause:
    subs x9, x9, #1
    b.ne pause
    ldr  w0, [x19, #0x18]       // UARTFR.RXFE
    tbnz w0, #4, wait
    ldr  w0, [x19]
    strb w0, [x19]
    cmp  w0, #'.'
    b.ne wait
{OFF}
"""


def runner(path: Path, source: str, sink: EventSink | None = None, **options: object) -> Runner:
    file = path / "guest.s"
    file.write_text(source)
    return Runner(Configuration(image=str(file), memory_bytes=16 << 20, **options), sink)  # type: ignore[arg-type]
