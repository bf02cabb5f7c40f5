"""PSCI: switching CPUs and the system on and off.

Read `machine/firmware/power.py` and `machine/firmware/smccc.py` before this file, `machine/firmware/__init__.py` after
it. Every function of PSCI 1.1 has a row; what this firmware does not have is answered NOT_SUPPORTED, by name.

Ref: Arm DEN0022 (PSCI 1.1) chapter 5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from arm_hyp.arch import psci
from arm_hyp.arch.psci import Affinity, Status
from arm_hyp.machine.firmware.power import Caller, PowerController
from arm_hyp.machine.firmware.smccc import Arguments, Handler, Result, Service, Services, not_supported

_AFFINITY: Final = {"on": Affinity.ON, "off": Affinity.OFF, "pending": Affinity.ON_PENDING}
_NOT_OFF: Final = {"on": Status.ALREADY_ON, "pending": Status.ON_PENDING}


class Psci:
    """PSCI for the CPUs behind a power controller: a machine's, or the vCPUs of a VM.

    `can_start_at(address)` tells whether code can be fetched there: a PA, or an IPA of the VM.
    """

    def __init__(self, power: PowerController, can_start_at: Callable[[int], bool]) -> None:
        self._power, self._can_start_at = power, can_start_at
        self._handlers: dict[int, Handler] = {
            psci.PSCI_VERSION: lambda caller, arguments: psci.PSCI_1_1,
            psci.CPU_SUSPEND: self._cpu_suspend,
            psci.CPU_OFF: self._cpu_off,
            psci.CPU_ON: self._cpu_on,
            psci.AFFINITY_INFO: self._affinity_info,
            psci.MIGRATE_INFO_TYPE: lambda caller, arguments: psci.MIGRATION_NOT_REQUIRED,
            psci.SYSTEM_OFF: self._system_off,
            psci.SYSTEM_RESET: self._system_reset,
            psci.PSCI_FEATURES: self._features,
            psci.SYSTEM_RESET2: self._system_reset2,
        }
        self._present = {psci.SMCCC_VERSION} | {
            identifier for function in self._handlers for identifier in _identifiers(function)
        }

    def services(self) -> Services:
        """Return a row for every function identifier of PSCI."""
        return {
            identifier: Service(name, self._handlers.get(function, not_supported))
            for function, name in psci.PSCI_NAMES.items()
            for identifier in _identifiers(function)
        }

    def _features(self, caller: Caller, arguments: Arguments) -> Result:
        """Tell whether a function exists. CPU_SUSPEND's flags are 0 too: original power_state, platform-coordinated.

        Ref: DEN0022, PSCI_FEATURES.
        """
        return Status.SUCCESS if arguments[0] in self._present else Status.NOT_SUPPORTED

    # --- one CPU -----------------------------------------------------------------------------------------------------

    def _cpu_suspend(self, caller: Caller, arguments: Arguments) -> Result:
        """Wait for an interrupt, then return SUCCESS.

        Ref: DEN0022, CPU_SUSPEND. Simplified: a power-down request is served by standby, as the caller must expect
        anyway (and as QEMU does): the CPU keeps its state, and the entry point is not used.
        """
        power_state, entry, _ = arguments
        if power_state & psci.POWER_STATE_LEVEL_OR_RES0:
            return Status.INVALID_PARAMETERS
        if power_state & psci.POWER_STATE_TYPE and not self._is_entry(entry):
            return Status.INVALID_ADDRESS
        self._power.suspend(caller)
        return Status.SUCCESS

    def _cpu_off(self, caller: Caller, arguments: Arguments) -> Result:
        self._power.power_off(caller)
        return None

    def _cpu_on(self, caller: Caller, arguments: Arguments) -> Result:
        """Start a CPU in the highest exception level that software has here.

        Ref: DEN0022, CPU_ON. (QEMU 7.2 answers INVALID_PARAMETERS for an unaligned entry, and accepts all others.)
        """
        target, entry, context_id = arguments
        state = self._power.state(target)
        if state is None:
            return Status.INVALID_PARAMETERS
        if not self._is_entry(entry):
            return Status.INVALID_ADDRESS
        if state in _NOT_OFF:
            return _NOT_OFF[state]
        self._power.power_on(target, entry, context_id)
        return Status.SUCCESS

    def _is_entry(self, address: int) -> bool:
        return address & 3 == 0 and self._can_start_at(address)

    def _affinity_info(self, caller: Caller, arguments: Arguments) -> Result:
        """Tell the power state of a CPU. Ref: DEN0022, AFFINITY_INFO: levels above 0 are optional, and absent here."""
        target, level, _ = arguments
        state = self._power.state(target)
        if state is None or level & 0xFFFF_FFFF:
            return Status.INVALID_PARAMETERS
        return _AFFINITY[state]

    # --- the system --------------------------------------------------------------------------------------------------

    def _system_off(self, caller: Caller, arguments: Arguments) -> Result:
        self._power.system_off(0, "the guest powered off (PSCI SYSTEM_OFF)")
        return None

    def _system_reset(self, caller: Caller, arguments: Arguments) -> Result:
        self._power.system_reset()
        return None

    def _system_reset2(self, caller: Caller, arguments: Arguments) -> Result:
        """Reset by type. Ref: DEN0022, SYSTEM_RESET2.

        Simplified: a warm reset is a cold one, so that memory is not kept; vendors' own types are not supported.
        """
        reset_type = arguments[0] & 0xFFFF_FFFF
        if reset_type & psci.RESET_VENDOR:
            return Status.NOT_SUPPORTED
        if reset_type != psci.RESET_WARM:
            return Status.INVALID_PARAMETERS
        return self._system_reset(caller, arguments)


def _identifiers(function: int) -> tuple[int, ...]:
    """Return the SMC32 identifier, and the SMC64 one where it exists."""
    return (function, function | psci.FID_SMC64) if function in psci.WITH_SMC64 else (function,)
