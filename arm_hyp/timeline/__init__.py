"""Runs that can be recorded, repeated and gone back in."""
