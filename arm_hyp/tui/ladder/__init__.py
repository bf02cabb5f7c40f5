"""The ladder: exceptions and returns as a square wave between exception levels, and its forms for long runs.

Read in this order: `names.py` (short names of exceptions), `spans.py` (rows of the journal become spans),
`geometry.py` (which cell is which position), `drawing.py` (lines), `caption.py` (the sentence under it), `legend.py`
(what the signs mean), `density.py` (zoomed out), then `panel.py`, which has them all.
"""
