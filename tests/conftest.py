"""What every run of the tests tells at its end: how many cases each oracle has judged, and from which seed."""

import pytest

_ORACLES = "differential/"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what the differential tests that passed have printed; `-s` has shown it already."""
    reports = [report for report in terminalreporter.getreports("passed") if _ORACLES in report.nodeid]
    told = [line for report in reports for line in report.capstdout.splitlines() if line]
    if told:
        terminalreporter.section("what the oracles have judged")
        for line in told:
            terminalreporter.write_line(line)
