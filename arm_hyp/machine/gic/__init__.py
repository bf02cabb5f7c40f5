"""The interrupt controllers of the board: GICv2 and GICv3, physical and virtual side.

Read `machine/seams.py` and `arch/gic.py` before this package.
"""
