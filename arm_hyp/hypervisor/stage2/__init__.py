"""Stage 2: from the guest's physical addresses (IPA) to the machine's (PA), as real descriptors in machine RAM.

Read in this order: `geometry.py`, `descriptors.py`, `seams.py`, `allocator.py`, `mapper.py`, `blocks.py`,
`paging.py`, `dirty.py`, `vmid.py`; `tables.py` and `tlb.py` stand behind the seams, `dump.py` shows the result.
The model is KVM's: `arch/arm64/kvm/hyp/pgtable.c`, `mmu.c` and `vmid.c`.
"""
