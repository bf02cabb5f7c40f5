"""One AArch64 core over Unicorn: run and step, exception entry, system registers, instrumentation, assembler.

`unicorn`, `capstone` and `keystone` are imported in this package only.
"""
