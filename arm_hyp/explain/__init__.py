"""Events in words: one line an event, and why there was or was not a trap. Pure functions of events; nothing runs here.

Read `trace_lines.py` first, then `why.py`, then `comparison.py`.
"""
