"""The table of keys: nothing twice, and everything does something."""

from collections import Counter

from arm_hyp.tui.actions import DO
from arm_hyp.tui.keys import ACTIONS, DIGITS
from arm_hyp.tui.panels.catalogue import NAMES, make_panels
from arm_hyp.tui.typed import bytes_of


def test_every_action_does_something_and_no_key_does_two() -> None:
    assert DO.keys() == {action.name for action in ACTIONS}
    keys = Counter(key for action in ACTIONS for key in action.keys)
    assert max(keys.values()) == 1


def test_panels_own_keys_clash_with_none_of_the_screens() -> None:
    taken = {key for action in ACTIONS for key in action.keys} | {action.shown for action in ACTIONS} | set(DIGITS)
    for panel in make_panels().values():
        own = Counter(row.key for row in panel.keys)
        assert not own or max(own.values()) == 1, panel.name
        assert not taken & own.keys(), panel.name
        assert all(row.method == "ask" or callable(getattr(panel, row.method, None)) for row in panel.keys), panel.name


def test_panels_have_the_names_of_the_catalogue() -> None:
    assert tuple(make_panels()) == NAMES
    assert all(panel.name == name for name, panel in make_panels().items())


def test_a_guest_gets_the_bytes_of_a_terminal() -> None:
    assert bytes_of("a", "a") == b"a"
    assert bytes_of("é", "é") == "é".encode()
    assert bytes_of("enter", "\r") == b"\r"
    assert bytes_of("ctrl+c", None) == b"\x03"
    assert bytes_of("up", None) == b"\x1b[A"
    assert bytes_of("f12", None) == b""
