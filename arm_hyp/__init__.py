"""arm-hyp: an AArch64 machine in the terminal that makes every trap visible, explainable and reversible.

Read `docs/reading-guide.md` for the ordered way in.
"""

__version__ = "0.1.0"
