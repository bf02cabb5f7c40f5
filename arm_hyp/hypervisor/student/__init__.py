"""A user's handlers: how they are registered, loaded, watched, recorded, and what is said when they fail.

Read `hypervisor/dispatch.py` before this package, and in it, in this order: `registry.py` (the decorators),
`loading.py`, `failures.py` (what went wrong, in words), `guard.py` (the budget, the prints, the lines that ran). Then
what is kept of what they do: `plain_data.py`, `wire.py`, `changes.py`, `user_data.py` (their data), `effects.py` (the
log), `actions.py` (what they may do), `watch.py`, `live.py`, `repeat.py`, `telling.py` (the events), `recorded.py`
(handlers without code). Last `code.py`: the user's handlers over the default ones.
"""
