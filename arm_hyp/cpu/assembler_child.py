"""The child process in which Keystone runs, because a wrong instruction can end or hang the process it runs in.

Read `cpu/assembler_layout.py` before and `cpu/assembler_process.py` after. Standard input holds a JSON object with
`texts` (one instruction each), `together` (try all at once first) and limits; standard output gets a dot for each
instruction that is about to be tried alone (so that whoever finds this process dead knows which one killed it) and then
a JSON object: `code` in hexadecimal, or `failed` and `error`.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

INSTRUCTION_BYTES = 4
NOT_ENCODED = 1
"""The error number for "Keystone said yes and gave something other than four bytes", which it does."""


def limit_resources(cpu_seconds: int, memory_bytes: int) -> None:
    """Bound what this process may use, where the system can."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    wanted = [(resource.RLIMIT_CORE, 0), (resource.RLIMIT_CPU, cpu_seconds), (resource.RLIMIT_AS, memory_bytes)]
    for kind, limit in wanted:
        try:
            resource.setrlimit(kind, (limit, limit))
        except (OSError, ValueError):
            continue


def assemble_texts(texts: list[str], together: bool, report: int) -> dict[str, Any]:
    """Encode the instructions; name the first that fails. `report` is the descriptor that gets the dots."""
    import keystone

    engine = keystone.Ks(keystone.KS_ARCH_ARM64, keystone.KS_MODE_LITTLE_ENDIAN)
    if together:
        try:
            code = engine.asm("\n".join(texts), 0, as_bytes=True)[0] or b""
            if len(code) == INSTRUCTION_BYTES * len(texts):
                return {"code": code.hex()}
        except keystone.KsError:
            pass
    parts = []
    for index, text in enumerate(texts):
        os.write(report, b".")
        try:
            code = engine.asm(text, 0, as_bytes=True)[0] or b""
        except keystone.KsError as error:
            return {"failed": index, "error": error.errno}
        if len(code) != INSTRUCTION_BYTES:
            return {"failed": index, "error": NOT_ENCODED}
        parts.append(code)
    return {"code": b"".join(parts).hex()}


def main() -> None:
    """Serve one request."""
    report = os.dup(1)
    os.dup2(2, 1)  # LLVM must not write where the answer goes
    import keystone  # noqa: F401 -- before the request is there: whoever asks may still be busy writing it

    request = json.load(sys.stdin)
    limit_resources(request["cpu_seconds"], request["memory_bytes"])
    answer = assemble_texts(request["texts"], request["together"], report)
    with os.fdopen(report, "w") as stream:
        stream.write(json.dumps(answer))


if __name__ == "__main__":
    main()
