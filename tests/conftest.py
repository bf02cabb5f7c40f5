"""What every run of the tests can be asked, and tells at its end.

`--regenerate-golden` rewrites expected traces and pictures: read each against the Arm ARM before you commit it. At the
end stands how many cases each oracle has judged, and from which seed.
"""

import gc

import pytest

_ORACLES = "differential/"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate-golden", action="store_true", help="rewrite what tests expect, in expected/")


def pytest_collection_finish() -> None:
    """Have Python's collector pass over the tests themselves, fifteen thousand of them, from now on."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def regenerate(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--regenerate-golden", default=False))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what the differential tests that passed have printed; `-s` has shown it already."""
    reports = [report for report in terminalreporter.getreports("passed") if _ORACLES in report.nodeid]
    told = [line for report in reports for line in report.capstdout.splitlines() if line]
    if told:
        terminalreporter.section("what the oracles have judged")
        for line in told:
            terminalreporter.write_line(line)
