"""The command palette: every action and every panel by name.

Read `tui/keys.py` and `tui/panels/catalogue.py` before this file, `tui/app.py` after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import ClassVar, Final

from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider

from arm_hyp.tui.keys import shown_key
from arm_hyp.tui.panels.catalogue import ROWS

_BY_WORDS: Final = 0.1
"""What a command is worth whose name is another, but whose words have what is looked for."""


class Palette(CommandPalette):
    """Textual's palette, which can do with ASCII alone."""

    SCOPED_CSS: ClassVar[bool] = False
    DEFAULT_CSS = """
    .-ascii Palette #--input { border: ascii $accent !important; padding: 0 1; }
    .-ascii Palette #--results { border: none !important; }
    .-ascii Palette CommandList { border: ascii $accent !important; scrollbar-size-vertical: 0 !important; }
    .-ascii Palette LoadingIndicator { display: none !important; }
    .-ascii Palette SearchIcon { display: none !important; }
    """

    def __init__(self) -> None:
        super().__init__(id="--command-palette", placeholder="the name of an action or a panel")


class _Named(Provider):
    """Commands by name."""

    def commands(self) -> Iterator[tuple[str, str, Callable[[], object]]]:
        """Give a command's name, what it does, and how."""
        raise NotImplementedError

    async def discover(self) -> Hits:
        """Show all of them."""
        for name, words, do in self.commands():
            yield DiscoveryHit(name, do, help=words)

    async def search(self, query: str) -> Hits:
        """Show those that match."""
        matcher = self.matcher(query)
        for name, words, do in self.commands():
            score = max(matcher.match(name), _BY_WORDS if query.casefold() in words.casefold() else 0.0)
            if score > 0:
                yield Hit(score, matcher.highlight(name), do, help=words)


class ActionCommands(_Named):
    """What keys do."""

    def commands(self) -> Iterator[tuple[str, str, Callable[[], object]]]:
        """Give all actions."""
        for action in self.app.actions:  # type: ignore[attr-defined]
            key = shown_key(action, is_ascii=self.app.look.glyphs.is_ascii)  # type: ignore[attr-defined]
            name = f"{action.name.replace('_', ' ')} ({key})"
            yield name, action.words, partial(self.app.action_do, action.name)  # type: ignore[attr-defined]


class PanelCommands(_Named):
    """Panels, also those without a digit."""

    def commands(self) -> Iterator[tuple[str, str, Callable[[], object]]]:
        """Give all panels."""
        for row in ROWS:
            yield f"panel {row.name}", row.words, partial(self.app.show_panel, row.name)  # type: ignore[attr-defined]
