"""A stub for gdb: the machine as a remote target that runs forward and backward.

Read, in this order: `packets.py` (bytes to packets and back), `debuggee.py` (what the stub asks of a machine),
`target_description.py` and `registers.py` (which registers there are, and what Arm calls them), `stub.py` (what each
packet means), `machine_view.py` (a machine that is asked by messages), `monitor.py` (`monitor why` and its like),
`machine_debuggee.py` (what moves), `server.py`. Where a motion goes is in `timeline/process/halting.py`.

Ref: Debugging with GDB, appendix E (remote protocol) and G (target descriptions).
"""
