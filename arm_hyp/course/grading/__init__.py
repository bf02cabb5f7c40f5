"""Many students' work judged: the same checks as for one, in several processes, with points and a report.

Read `course/checking.py` and `course/sandbox/` before this package, in it in this order: `results.py` (what comes out),
`submissions.py` (what goes in: folders and zip files), `grade.py` (one submission), `worker.py` and `pool.py` (many),
`formats.py` and `class_report.py` (for machines, for teachers), `bundle.py` (for Gradescope). `docs/grading.md` is the
guide for teachers.
"""
