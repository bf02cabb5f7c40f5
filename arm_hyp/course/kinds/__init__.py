"""The kinds of tasks. Read `kind.py`, then `answered.py`, `valued.py`, `sources.py`, and `table.py` last."""
