"""Recordings: a run as a file, made and repeated. Begin with `recording.py`; `container.py` is the file's form."""
