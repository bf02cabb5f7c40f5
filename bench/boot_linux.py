"""Boot Linux at EL1 on this project's machine, and print one line of JSON; `--tree FILE` only writes the device tree.
With `--hypervisor` it is a VM. `--record FILE` records the boot, `--replay FILE` repeats what was recorded.

Read `arm_hyp/runner/runner.py` before this file; `bench/bench_linux.py` and `bench/bench_timeline.py` run it.
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
    parser.add_argument("--record", help="record the boot here, the time of it included")
    parser.add_argument("--replay", help="replay this recording of the same boot")
    made = parser.parse_args()
    files = {"image": made.kernel, "initrd": made.initrd, "append": made.append}
    configuration = Configuration(**files, memory_bytes=made.memory_bytes, el=1, gic=2, hypervisor=made.hypervisor)
    if made.record or made.replay:
        _print(*(_record(configuration, made.record) if made.record else _replay(made.replay, made.kernel)))
        return
    runner = Runner(configuration)
    if made.tree:
        made.tree.write_bytes(runner.plans[0].tree)
        return
    start = process_time()
    runner.send(Run(NO_LIMIT))
    _print(runner, process_time() - start)


def _record(configuration: Configuration, path: str) -> tuple[Runner, float]:
    """Boot and record. The time is that of the run, and of all that recording adds before and behind it."""
    from arm_hyp.timeline.recordings.recorder import Recorder
    from arm_hyp.timeline.recordings.recording import write_recording

    recorder, runner = Recorder(configuration), Runner(configuration)
    start = process_time()
    recorder.started(runner)
    answer = runner.send(Run(NO_LIMIT))
    write_recording(path, recorder.recording(runner, answer, NO_LIMIT))
    return runner, process_time() - start


def _replay(path: str, kernel: str) -> tuple[Runner, float]:
    from arm_hyp.timeline.recordings.replay import Replay

    with Replay.open(path, [str(Path(kernel).parent)]) as replay:
        runner = replay.runner()
        start = process_time()
        difference = replay.difference(runner, replay.run(runner))
    assert not difference, difference
    return runner, process_time() - start


def _print(runner: Runner, seconds: float) -> None:
    end = runner.machine.console[-200:].decode("latin-1")
    print(json.dumps({"seconds": seconds, "n": runner.machine.retired, "peak_bytes": peak_bytes(), "end": end}))


if __name__ == "__main__":
    main()
