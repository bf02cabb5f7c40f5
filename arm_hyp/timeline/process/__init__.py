"""A machine that is asked by messages, in this process or its own. Begin with `messages.py` and `session.py`."""
