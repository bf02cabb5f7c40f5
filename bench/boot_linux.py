"""Boot Linux at EL1 on this project's machine, and print one line of JSON; `--tree FILE` only writes the device tree.
With `--hypervisor` it is a VM.

Read `arm_hyp/runner/runner.py` before this file; `bench/bench_linux.py` runs it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from time import process_time

from memory_use import peak_bytes

from arm_hyp.runner.runner import Configuration, Run, Runner

NO_LIMIT = 1 << 62


def main() -> None:
    """Boot the images named on the command line."""
    parser = argparse.ArgumentParser(description="Boot Linux on arm-hyp's machine.")
    parser.add_argument("kernel")
    parser.add_argument("initrd")
    parser.add_argument("append")
    parser.add_argument("memory_bytes", type=int)
    parser.add_argument("--tree", type=Path, help="write the device tree here, and boot nothing")
    parser.add_argument("--hypervisor", action="store_const", const="", help="as a VM")
    made = parser.parse_args()
    files = {"image": made.kernel, "initrd": made.initrd, "append": made.append}
    runner = Runner(Configuration(**files, memory_bytes=made.memory_bytes, el=1, gic=2, hypervisor=made.hypervisor))
    if made.tree:
        made.tree.write_bytes(runner.plans[0].tree)
        return
    start = process_time()
    answer = runner.send(Run(NO_LIMIT))
    seconds = process_time() - start
    end = runner.machine.console[-200:].decode("latin-1")
    print(json.dumps({"seconds": seconds, "n": answer["n"], "peak_bytes": peak_bytes(), "end": end}))


if __name__ == "__main__":
    main()
