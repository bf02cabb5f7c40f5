"""The memory map and the interrupt numbers of the board: QEMU's `virt`, so that real software finds what it expects.

Read `docs/reading-guide.md` before this file. Addresses are physical, sizes in bytes, interrupts GIC INTIDs.
"""

from __future__ import annotations

from typing import Final

FLASH_BASE: Final = (0x0000_0000, 0x0400_0000)
FLASH_BANK_BYTES: Final = 64 << 20
GICD_BASE: Final = 0x0800_0000
GICC_BASE: Final = 0x0801_0000
GICH_BASE: Final = 0x0803_0000
GICV_BASE: Final = 0x0804_0000
GIC_FRAME_BYTES: Final = 0x1_0000
GICC_BYTES: Final = 0x2000
GICR_BASE: Final = 0x080A_0000
GICR_BYTES_PER_CPU: Final = 0x2_0000
PL011_BASE: Final = 0x0900_0000
PL031_BASE: Final = 0x0901_0000
FW_CFG_BASE: Final = 0x0902_0000
PL061_BASE: Final = 0x0903_0000
VIRTIO_BASE: Final = 0x0A00_0000
VIRTIO_BYTES: Final = 0x200
VIRTIO_SLOTS: Final = 32
RAM_BASE: Final = 0x4000_0000
PAGE_BYTES: Final = 0x1000

INTID_MAINTENANCE: Final = 25
INTID_HYP_TIMER: Final = 26
INTID_VIRTUAL_TIMER: Final = 27
INTID_HYP_VIRTUAL_TIMER: Final = 28
INTID_SECURE_TIMER: Final = 29
INTID_PHYSICAL_TIMER: Final = 30
INTID_PMU: Final = 23
INTID_PL011: Final = 33
INTID_PL031: Final = 34
INTID_PL061: Final = 39
INTID_VIRTIO: Final = 48
"""The INTID of virtio-mmio slot 0; slot n has this + n."""

COUNTER_FREQUENCY_HZ: Final = 62_500_000
MAX_CPUS: Final = 8
