"""The course in the terminal: the text of a lesson step by step, the run that it speaks of, tasks and verdicts.

Read in this order: `study.py` (where a student is), `markdown.py` and `page.py` (what is read), `verdict.py` and
`screens.py` (what comes over the panels), `app.py` (the terminal with a lesson), `actions.py` (its keys).
"""
