"""The course in the terminal: the text of a lesson step by step, the run that it speaks of, tasks and verdicts.

Read in this order: `study.py` (where a student is), `commands.py`, `markdown.py` and `page.py` (what is read),
`verdict.py`, `screens.py`, `pointing.py`, `entry_words.py`, `table_form.py`, `editor.py` (what comes over the panels),
`paged.py` and `app.py` (the terminal with a lesson), `answering.py` and `actions.py` (its keys).
"""
