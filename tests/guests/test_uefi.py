"""Debian's UEFI firmware runs from flash, and comes to the point where it asks what to boot."""

import pytest

from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.runner import Run, Runner

pytestmark = pytest.mark.long


def test_uefi_finds_nothing_to_boot_and_asks(uefi_image):
    runner = Runner(Configuration(bios=str(uefi_image)))
    answer = runner.send(Run(1_000_000_000, until="Press any other key to continue"))
    assert answer["status"] == 0, bytes(runner.machine.console)[-1000:]
