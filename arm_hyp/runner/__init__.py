"""One machine from a configuration, driven by plain-data messages: run, stop, step, read, edit, snapshot."""
