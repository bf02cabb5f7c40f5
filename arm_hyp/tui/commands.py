"""The command palette: every action and every panel by name.

Read `tui/keys.py` and `tui/panels/catalogue.py` before this file, `tui/app.py` after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider

from arm_hyp.tui.panels.catalogue import ROWS


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
            score = max(matcher.match(name), matcher.match(words))
            if score > 0:
                yield Hit(score, matcher.highlight(name), do, help=words)


class ActionCommands(_Named):
    """What keys do."""

    def commands(self) -> Iterator[tuple[str, str, Callable[[], object]]]:
        """Give all actions."""
        for action in self.app.actions:  # type: ignore[attr-defined]
            name = f"{action.name.replace('_', ' ')} ({action.shown})"
            yield name, action.words, partial(self.app.action_do, action.name)  # type: ignore[attr-defined]


class PanelCommands(_Named):
    """Panels, also those without a digit."""

    def commands(self) -> Iterator[tuple[str, str, Callable[[], object]]]:
        """Give all panels."""
        for row in ROWS:
            yield f"panel {row.name}", row.words, partial(self.app.show_panel, row.name)  # type: ignore[attr-defined]
