"""The virtual GIC: what a VM sees of an interrupt controller, and how its interrupts get into list registers.

Read `arch/gic.py` and `machine/gic/virtual.py` (the hardware that shows list registers to a guest) before this package.
In it: `irq.py` (one interrupt), `list_registers.py` (an interrupt as a list register), `dist.py` (all interrupts of a
VM, and which vCPU gets each), `delivery.py` (list registers filled before a guest runs and folded after), `mmio.py`,
`mmio_v2.py` and `mmio_v3.py` (the registers that the guest finds), `interfaces.py` (the hardware of either version),
`debug.py`, and `vgic.py`, which is what the rest of the hypervisor uses.

The shape and the names are those of KVM's vgic: Linux, arch/arm64/kvm/vgic.
"""
