"""Why a guest makes no progress: one sentence, the facts behind it, and what to do.

Read in this order: `model.py` (what a diagnosis is), `gates.py` (all that can hold an interrupt back), `timers.py`,
`list_registers.py`, `waiting.py` (a CPU that waits), `observation.py` (what a CPU that runs does next), `others.py`
(what the other CPUs do), `loops.py` (the words for a loop), `physical_cpus.py`, `virtual_cpus.py`, `recent.py`,
`examination.py`, which puts them together, and `diagnose.py`.
"""
