"""A stub for gdb: the machine as a remote target that runs forward and backward.

Read, in this order: `packets.py` (bytes to packets and back), `debuggee.py` (what the stub asks of a machine),
`target_description.py` and `registers.py` (which registers there are, and their values), `memory.py`, `stub.py` (what
each packet means), `monitor.py` (`monitor why` and its like), `timeline_debuggee.py` (the machine itself), `server.py`.

Ref: Debugging with GDB, appendix E (remote protocol) and G (target descriptions).
"""
