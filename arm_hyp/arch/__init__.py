"""What the Arm ARM says, as data and pure functions. Standard library only: no Unicorn, no I/O, no state."""
