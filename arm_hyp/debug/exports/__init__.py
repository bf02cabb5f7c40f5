"""A run in the formats of other tools: Perfetto, ftrace, JSON Lines, CSV; and the schema of its lines.

Read `virtual_time.py`, `lines.py` and `table.py` first; then `perfetto_file.py`, `threads.py` and `perfetto.py`, which
draw a run on tracks; then `formats.py`, the table of them all, and `exporter.py`. `schema.py` stands beside them.
"""
