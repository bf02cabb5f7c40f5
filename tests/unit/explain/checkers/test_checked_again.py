"""The rules asked about a configuration: what breaks one is found, within the limit, for the codes asked for."""

from arm_hyp.explain.checkers.again import findings_of
from arm_hyp.resources import guests_directory
from arm_hyp.runner.configuration import Configuration

WRONG = Configuration(image=str(guests_directory() / "checks" / "hyp015-wrong.s"), memory_bytes=32 << 20, gic=3)


def test_what_breaks_a_rule_is_found_where_it_was():
    (finding,) = findings_of(WRONG, 10_000)
    assert (finding.code, finding.el) == ("HYP015", 2)


def test_only_the_codes_that_are_asked_for_are_found():
    assert findings_of(WRONG, 10_000, ["HYP013"]) == []


def test_what_comes_behind_the_limit_is_not_found():
    (finding,) = findings_of(WRONG, 10_000)
    assert findings_of(WRONG, finding.n - 5) == []
