"""`arm-hyp run --dump`: the state of VMs at the end of a run."""

import pytest
from test_run import run, source

OFF = "ldr x0, =0x84000008\n hvc #0\n"


def test_every_dump_of_a_vm_is_shown_with_its_title(tmp_path):
    text = run(source(tmp_path, OFF), "--hypervisor", "--dump", "vcpus,stage2,vgic").stderr
    assert "--- vcpus of vm0 ---\nvcpu state" in text
    assert "--- stage2 of vm0 ---\n---[ Guest IPA ]---\n" in text
    assert "--- vgic of vm0 ---\nDistributor\n" in text
    assert "HCR_EL2=0x807c663f" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dump", "vcpus"], "arm-hyp: --dump vcpus: there is no VM to show; "),
        (["--hypervisor", "--dump", "tables"], "arm-hyp: --dump tables: there is no such dump; "),
    ],
)
def test_what_cannot_be_shown_is_one_line(tmp_path, arguments, message):
    done = run(source(tmp_path, OFF), *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1
