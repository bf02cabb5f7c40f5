"""Virtio: rings in the guest's memory, devices that serve them, and the transport that shows both to a driver.

Read `machine/seams.py` before this package; then `chain.py`, `ring.py`, `device.py`, one of `rng.py`, `console.py` and
`blk.py` (with `drive.py`), and last `empty_slot.py` and `mmio.py`. Only `mmio.py` knows registers: a hypervisor that
brings a transport of its own reuses everything else as it is.
"""
