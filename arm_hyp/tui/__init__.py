"""The terminal: see the trap happen.

Read in this order: `look.py` (colours and glyphs), `view.py` (one frozen picture of a machine), `panels/panel.py` (what
a part of the screen is), `panels/__init__.py` (all of them), `ladder/` (the largest), `frames.py` and `layouts.py`
(where they stand), `link.py` and `gather.py` (how a picture is read), `keys.py` (all keys), then `app.py`.

Everything up to `layouts.py` is pure and needs no terminal: pictures for exports and the line mode come from there.
"""

import os as _os

_os.environ.setdefault("TEXTUAL_FPS", "250")  # how long what is new may wait to be drawn: 4 ms, not 16
