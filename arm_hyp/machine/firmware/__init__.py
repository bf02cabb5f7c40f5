"""The firmware below EL2: PSCI and its neighbours over SMCCC, and semihosting.

Read `cpu/core.py` before this file; then `power.py`, `smccc.py`, `psci.py` and `semihosting.py` in this package. On
silicon this is software at EL3; here it answers an untrapped SMC (or HVC, when the machine starts software at EL1) at
once, and HLT #0xF000.

Ref: Arm DEN0022 (PSCI), DEN0028 (SMCCC), DEN0098 (TRNG), Arm semihosting specification.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arm_hyp.arch.psci import ABSENT_NAMES
from arm_hyp.cpu.core import Core
from arm_hyp.events import FirmwareCall
from arm_hyp.machine.firmware import smccc
from arm_hyp.machine.firmware.memory import VirtualMemory
from arm_hyp.machine.firmware.power import PowerController, PowerState
from arm_hyp.machine.firmware.psci import Psci
from arm_hyp.machine.firmware.semihosting import BARE_HOST, HeapInfo, Host, PowerOff, Semihosting
from arm_hyp.machine.firmware.trng import Trng

__all__ = ["Firmware", "HeapInfo", "Host", "PowerController", "PowerOff", "PowerState", "VirtualMemory"]


def anywhere(address: int) -> bool:
    """Let a CPU start at any address: where nothing is, its first fetch aborts."""
    return True


class Firmware:
    """One machine's firmware.

    `output` takes what semihosting prints, `read_memory` reads guest memory by VA. `power` switches the CPUs
    and ends the run. `can_start_at(pa)`: is that a place for code? `host` is what semihosting may have beside; `seed`
    makes the random numbers.
    """

    def __init__(
        self,
        output: Callable[[int], None],
        read_memory: Callable[[Core, int, int], bytes | None],
        *,
        power: PowerController,
        can_start_at: Callable[[int], bool] = anywhere,
        host: Host = BARE_HOST,
        seed: int = 0,
    ) -> None:
        self._trng = Trng(seed)
        absent = {number: smccc.Service(name, smccc.not_supported) for number, name in ABSENT_NAMES.items()}
        psci, trng = Psci(power, can_start_at), self._trng
        self._services = absent | smccc.services() | psci.services() | trng.services()
        self._semihosting = Semihosting(output, read_memory, power.system_off, host)

    def call(self, core: Core, conduit: str) -> None:
        """Answer an SMC or HVC: the function identifier is in W0, results go to X0 to X3, all else is preserved."""
        function = smccc.function_of(core)
        service = self._services.get(function, smccc.UNKNOWN)
        answer = service.handle(core, smccc.arguments_of(core, function))
        smccc.write_result(core, answer)
        name, result = service.name, None if answer is None else core.x(0)
        core.emit(FirmwareCall, pc=core.pc - 4, conduit=conduit, function=function, name=name, result=result)

    def semihosting(self, core: Core) -> bool:
        """Do the semihosting call of HLT #0xF000: operation in W0, parameter in X1. False if it is not modelled."""
        return self._semihosting.call(core)

    def snapshot(self) -> dict[str, Any]:
        """Return the state."""
        return {"trng": self._trng.drawn, "semihosting": self._semihosting.snapshot()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back."""
        self._trng.drawn = state["trng"]
        self._semihosting.restore(state["semihosting"])
