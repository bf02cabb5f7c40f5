"""A lesson as a page to print: HTML that needs nothing from elsewhere.

Read `course/text.py` before this file. Answers and hints are not on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

from markdown_it import MarkdownIt

from arm_hyp.course.kinds.table import KINDS
from arm_hyp.course.manifest import Lesson, Task
from arm_hyp.course.text import Step, read_steps

_STYLE: Final = """\
body { max-width: 44rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 Georgia, serif; color: #111; }
h1, h2, .about { font-family: system-ui, sans-serif; line-height: 1.2; }
h2 { margin-top: 2rem; break-after: avoid; }
code, pre, kbd { font: 0.875rem/1.4 ui-monospace, Menlo, Consolas, monospace; }
pre { padding: 0.5rem 0.75rem; border: 1px solid #bbb; overflow-x: auto; break-inside: avoid; }
kbd { padding: 0 0.3rem; border: 1px solid #888; border-radius: 0.2rem; }
.about { color: #444; font-size: 0.9rem; }
.task { margin: 1rem 0; padding: 0.5rem 1rem; border: 2px solid #333; break-inside: avoid; }
.task ol { list-style: none; padding-left: 0; }
.room { height: 4rem; border-bottom: 1px dotted #888; }
@page { margin: 2cm; }
@media print { body { max-width: none; margin: 0; font-size: 10.5pt; } }
"""


def handout(lesson: Lesson) -> str:
    """Return a lesson's text and tasks as a page of HTML. Raises: UserError."""
    head = lesson.head
    return "\n".join(
        (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(head.title)}</title>\n<style>\n{_STYLE}</style>\n</head>\n<body>",
            f'<p class="about">{escape(head.part)} &middot; {escape(lesson.name)}</p>',
            f"<h1>{escape(head.title)}</h1>\n<p><em>{escape(head.goal)}</em></p>",
            *(part for step in read_steps(lesson) for part in _step(lesson, step)),
            '<h2>Read on</h2>\n<ul class="about">',
            *(f"<li>{escape(reference)}</li>" for reference in head.references),
            "</ul>\n</body>\n</html>\n",
        )
    )


def _step(lesson: Lesson, step: Step) -> Iterator[str]:
    if step.title:
        yield f"<h2>{escape(step.title)}</h2>"
    yield _html(step.body)
    if step.task:
        yield from _task(lesson.task(step.task))


def _html(markdown: str) -> str:
    """Return Markdown as HTML, in which of raw HTML only keys are taken."""
    text: str = MarkdownIt("commonmark", {"html": False}).render(markdown)
    return text.replace("&lt;kbd&gt;", "<kbd>").replace("&lt;/kbd&gt;", "</kbd>")


def _task(task: Task) -> Iterator[str]:
    yield f'<div class="task">\n<strong>{escape(task.title)}</strong> ({task.points} point{"s" * (task.points != 1)})'
    if task.choices:
        yield f"{_html(task.question)}<ol>"
        yield from (f"<li>&#9744; {escape(letter)}: {escape(text)}</li>" for letter, text in task.choices.items())
        yield "</ol>\n</div>"
        return
    yield from (_html(line) for line in KINDS[task.kind].asks(task))
    yield '<div class="room"></div>\n</div>'
