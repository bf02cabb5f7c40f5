"""The board: bus, RAM, virtual clock, interrupt lines, devices, firmware, loaders."""
