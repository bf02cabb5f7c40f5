"""A run in the formats of other tools: Perfetto, ftrace, JSON Lines, CSV.

Read `perfetto.py` for what a run looks like on tracks.
"""
