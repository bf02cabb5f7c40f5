"""What needs both a timeline and explanations: the gdb stub (`gdb/`), and exports."""
