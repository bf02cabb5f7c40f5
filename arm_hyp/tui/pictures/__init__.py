"""What the terminal shows, written for those who have no terminal at hand.

Read `tui/picture.py` before this folder; in it `svg.py` (one picture), `frames.py` (a picture at each step of a run),
then `cast.py` (a terminal recording) and `page.py` (one HTML page).
"""
