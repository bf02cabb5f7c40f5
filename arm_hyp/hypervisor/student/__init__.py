"""A user's handlers: how they are registered, loaded, watched while they run, and what is said when they fail.

Read `hypervisor/dispatch.py` before this package, and in it: `registry.py` (the decorators), `loading.py`,
`failures.py` (what went wrong, in words), `guard.py` (the budget and the prints), `plain_data.py` (what snapshots
carry), `code.py` (the user's handlers over the default ones).
"""
