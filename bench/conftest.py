"""Print the rates and ratios that the benchmarks measured, against their aims, after pytest-benchmark's own table."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest


class Figure(NamedTuple):
    """One result: a value with its unit, and the aim. `at_most` says that smaller is better.

    Where nothing could be measured the value is None, and the unit says why.
    """

    name: str
    value: float | None
    unit: str
    aim: float | None
    at_most: bool


_FIGURES = pytest.StashKey[list[Figure]]()


def pytest_configure(config: pytest.Config) -> None:
    """Start an empty list of figures."""
    config.stash[_FIGURES] = []


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Return a function that takes a figure for the summary: name, value, unit, aim."""

    def take(name: str, value: float | None, unit: str, aim: float | None = None, at_most: bool = False) -> None:
        request.config.stash[_FIGURES].append(Figure(name, value, unit, aim, at_most))

    return take


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print one line a figure."""
    if config.stash[_FIGURES]:
        terminalreporter.section("figures")
    for figure in config.stash[_FIGURES]:
        terminalreporter.write_line(_line(figure))


def _line(figure: Figure) -> str:
    if figure.value is None:
        return f"{figure.name:<66} {figure.unit}"
    shown = f"{figure.value:,.0f}" if figure.value >= 100 else f"{figure.value:.3f}"
    text = f"{figure.name:<66} {shown:>14} {figure.unit}"
    if figure.aim is None:
        return text
    reached = figure.value <= figure.aim if figure.at_most else figure.value >= figure.aim
    return f"{text}   aim {'<=' if figure.at_most else '>='} {figure.aim:,g}: {'reached' if reached else 'MISSED'}"
