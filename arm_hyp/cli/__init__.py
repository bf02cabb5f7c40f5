"""The command line: one module a command; each parses, calls what is below, prints, and holds no logic of its own.

Read `main.py` first: it starts the commands.
"""
