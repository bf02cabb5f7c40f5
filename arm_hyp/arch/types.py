"""Distinct integer types for quantities that are easily confused. Read first; everything below builds on these."""

from typing import NewType

VA = NewType("VA", int)
IPA = NewType("IPA", int)
PA = NewType("PA", int)
INTID = NewType("INTID", int)
VMID = NewType("VMID", int)
