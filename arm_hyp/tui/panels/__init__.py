"""All panels: a module each. Read `panel.py` first, then any; `catalogue.py` has them all, with their keys."""
