"""Guests that attack the hypervisor: it never fails, and the VM beside them never notices.

Read `attack_support.py` and `attack_programs.py` before this file. `LONG=1` asks ten times as
many cases: hundreds.
"""

from __future__ import annotations

import os

import pytest
from attack_programs import EVERYTHING, THEMES, Act, acts_of, program
from attack_support import Duel, Shape, check_hypervisor, check_victim
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TIMES = 10 if os.environ.get("LONG") == "1" else 1
shapes = st.builds(
    lambda gic, cpus, vcpus: Shape(gic=gic, cpus=cpus, vcpus=vcpus),
    st.sampled_from((3, 2)),
    st.sampled_from((1, 1, 2)),
    st.sampled_from((1, 2, 4)),
)


def attack(acts: list[Act], shape: Shape) -> Duel:
    """Run an attack beside the victim, and check all that must hold."""
    duel = Duel(program(acts, shape.gic), shape)
    outcome = duel.run()
    assert outcome.reason in ("limit", "guest", "idle"), outcome
    check_hypervisor(duel)
    check_victim(duel, shape)
    return duel


def cases(count: int) -> settings:
    """Ask so many cases, the same ones every time."""
    return settings(
        max_examples=count, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )


@pytest.mark.long
@pytest.mark.parametrize("theme", THEMES)
def test_an_attack_of_one_kind(theme: str) -> None:
    @cases(4 * TIMES)
    @given(acts_of(THEMES[theme]), shapes)
    def run(acts: list[Act], shape: Shape) -> None:
        attack(acts, shape)

    run()


@pytest.mark.long
@cases(6 * TIMES)
@given(acts_of(EVERYTHING, 80), shapes)
def test_an_attack_with_everything(acts: list[Act], shape: Shape) -> None:
    attack(acts, shape)
