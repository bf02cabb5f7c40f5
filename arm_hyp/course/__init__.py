"""Lessons: their form, their checks, and what a student has done. `sandbox/` runs code of theirs."""
