"""The default handlers: what the hypervisor does for a guest that trapped. `hypervisor/dispatch.py` has the table."""
