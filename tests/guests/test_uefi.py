"""Debian's UEFI firmware runs from flash, and comes to its shell."""

import pytest

from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.runner import Run, Runner

pytestmark = pytest.mark.long


def test_uefi_finds_nothing_to_boot_and_starts_its_shell(uefi_image):
    runner = Runner(Configuration(bios=str(uefi_image)))
    answer = runner.send(Run(1_000_000_000, until="startup.nsh"))
    assert answer["status"] == 0, bytes(runner.machine.console)[-1000:]
