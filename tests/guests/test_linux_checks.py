"""Linux, bare and as a guest, breaks no rule of `--check`, and runs as it does unwatched."""

import pytest
from test_linux import LIMIT, configuration

from arm_hyp.events import FanOut
from arm_hyp.explain.checkers import MachineWitness, Watch
from arm_hyp.runner.runner import Run, Runner

RUNS = {
    "el1-gicv2": {"el": 1},
    "el2-gicv3-4cpus": {"el": 2, "gic": 3, "cpus": 4},
    "vhe-gicv3": {"el": 2, "gic": 3, "cpu": "max"},
    "vm-gicv2": {"el": 2, "hypervisor": ""},
    "vm-gicv3-4vcpus": {"el": 2, "hypervisor": "", "gic": 3, "cpus": 2, "vcpus": 4},
}


@pytest.mark.long
@pytest.mark.parametrize("name", RUNS)
def test_linux_breaks_no_rule(linux_images, name: str):
    made, fan = configuration(linux_images, **RUNS[name]), FanOut()
    runner = Runner(made, fan)
    watch = Watch(MachineWitness(runner.machine))
    fan.sinks = (watch,)
    answer = runner.send(Run(LIMIT))
    assert answer["reason"] == "guest" and b"Hello from userland" in runner.consoles[0]
    assert watch.findings == []
    if name == "el1-gicv2":
        assert Runner(made).send(Run(LIMIT)) == answer
