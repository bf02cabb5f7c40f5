"""Tours: a guest shown by a script, with narration, pauses and questions; whoever watches can take over at any moment.

Read in this order: `tour.py` (what a tour is, and its file), `caption.py` (what stands under the panels), `player.py`
(plays it), `app.py` (the terminal with a tour). The tours themselves are in `guests/tours/`.
"""
