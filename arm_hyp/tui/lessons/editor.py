"""A student's file in an editor of our own: for those who have named none in EDITOR, and where none can be opened.

Read `tui/lessons/screens.py` before this file, `tui/lessons/actions.py` after it.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import TextArea

from arm_hyp.course.files import put, write_whole
from arm_hyp.errors import UserError

_KEYS = "Ctrl+S saves and checks; Esc back"


def text_of(path: Path) -> str:
    """Read a file to be edited, its line ends as they are. Raises: UserError, OSError."""
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError:
        raise UserError(path.name, "is no text in UTF-8", "set EDITOR to an editor that can read it") from None


class EditScreen(ModalScreen[bool]):
    """One file. Comes back with whether it was saved; what was typed and not saved is asked about once."""

    DEFAULT_CSS = """
    EditScreen TextArea, EditScreen TextArea:focus { width: 100%; height: 100%; border: round $accent; padding: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", "save", show=False, priority=True),
        Binding("escape", "leave", "back", show=False, priority=True),
    ]

    def __init__(self, path: Path, text: str) -> None:
        """Edit a file, whose text was read already."""
        super().__init__()
        self._path, self._text = path, text
        self._is_warned = False

    def compose(self) -> ComposeResult:
        """Show the text."""
        area = TextArea(self._text, show_line_numbers=True, tab_behavior="indent", soft_wrap=True, theme="css")
        area.border_title, area.border_subtitle = self._path.name, _KEYS
        yield area

    def on_text_area_changed(self) -> None:
        """Ask again before what is typed now is dropped."""
        self._is_warned = False
        self.query_one(TextArea).border_subtitle = _KEYS

    def action_save(self) -> None:
        """Write the file, and go back."""
        area = self.query_one(TextArea)
        try:
            self._write(area.text)
        except OSError as error:
            area.border_subtitle = f"not saved: {(error.strerror or 'failed').lower()}"
            return
        self.dismiss(True)

    def _write(self, text: str) -> None:
        """Write the file; what another editor has written meanwhile is kept beside it."""
        is_as_read = self._path.is_file() and self._path.read_bytes() == self._text.encode()
        (write_whole if is_as_read else put)(self._path, text.encode())

    def action_leave(self) -> None:
        """Go back; the first time stay, if something is not saved."""
        area = self.query_one(TextArea)
        if area.text != self._text and not self._is_warned:
            self._is_warned = True
            area.border_subtitle = "not saved: Ctrl+S saves, Esc again drops what you typed"
            return
        self.dismiss(False)
