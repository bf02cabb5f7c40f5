"""What each action of `tui/keys.py` does to the application: one total table.

Read `tui/keys.py` and `tui/app.py` before this file.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from textual.app import SuspendNotSupported

from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process.messages import Whose
from arm_hyp.tui.keys import ACTIONS
from arm_hyp.tui.look import PALETTES
from arm_hyp.tui.panels.catalogue import NAMES
from arm_hyp.tui.screens import BranchesScreen, HelpScreen

if TYPE_CHECKING:
    from arm_hyp.tui.app import ArmHypApp

Do = Callable[["ArmHypApp"], None]
INTERRUPTED: Final = 130
"""The status of a program that Ctrl-C has ended."""


def _quick(method: str) -> Do:
    """Return an action that is a method of the driver."""
    return lambda app: app.do(method, getattr(app.driver, method))


def _asked(question: str, method: str) -> Do:
    """Return an action that asks for a text, which a method of the driver takes."""
    return lambda app: app.question(question, getattr(app.driver, method))


# --- through time -----------------------------------------------------------------------------------------------------


def _run(app: ArmHypApp) -> None:
    running = app.running
    if running.goes_on:
        running.pause()
        return
    running.goes_on = True
    app.soon("run", lambda _count: running.run())


def _faster(app: ArmHypApp) -> None:
    app.say(app.running.set_speed(app.running.speed + 1))


def _slower(app: ArmHypApp) -> None:
    app.say(app.running.set_speed(app.running.speed - 1))


def _search_previous(app: ArmHypApp) -> None:
    app.do("search", lambda: app.driver.search_again(is_back=True))


# --- asking and changing ----------------------------------------------------------------------------------------------


def _alone(name: str) -> Do:
    """Return an action that shows one panel alone, and back."""
    return lambda app: app.zoom(None if app.zoomed == name else name)


def _whatif(app: ArmHypApp) -> None:
    """Flip the deciding bit, the one chosen in the grid, or one that the user names."""
    named = bit_here(app)
    if named is not None:
        app.do("flip", lambda: app.driver.flip(named))
    else:
        bits = _deciding(app)
        app.question("what if this bit were different? (HCR_EL2.TWI)", app.driver.flip, bits[0] if bits else "")


def bit_here(app: ArmHypApp) -> str | None:
    """Return the bit that is chosen in the grid, or the one that decides the trap; None where there are several."""
    chosen = getattr(app.panels["bits"], "chosen_bit", None) if app.focused_panel is app.panels["bits"] else None
    bits = _deciding(app)
    return chosen if isinstance(chosen, str) else bits[0] if len(bits) == 1 else None


def _deciding(app: ArmHypApp) -> list[str]:
    view = app.driver.view
    return [] if view is None else sorted(f"{register}.{name}" for register, name in view.deciding)


def _branches(app: ArmHypApp) -> None:
    def switch(branch: str | None) -> None:
        if branch:
            app.do("switch", lambda: app.driver.switch(branch))

    if app.driver.view is not None:
        app.push_screen(BranchesScreen(app.driver.view, app.look), switch)


def _breakpoint(app: ArmHypApp) -> None:
    """Set one at the line that is chosen in the code, or where the user says."""
    code = app.panels["code"]
    address = getattr(code, "chosen_address", None) if app.focused_panel is code else None
    if isinstance(address, int):
        app.do("breakpoint", lambda: app.driver.toggle_breakpoint(f"{address:#x}"))
    else:
        app.question("breakpoint at (symbol or 0x40080000)", app.driver.toggle_breakpoint)


def _edit(app: ArmHypApp) -> None:
    """Edit the handlers, and load them at the cursor."""
    path = app.options.handlers
    if path is None:
        app.say("this run has no file of handlers: start it with --hypervisor FILE.py", is_bad=True)
        return
    if edit_files(app, path):
        app.do("edit", lambda: app.driver.load_handlers(path))


def edit_files(app: ArmHypApp, *paths: str) -> bool:
    """Have the user's editor open some files, in place of this program; return whether there is one."""
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    try:
        with app.suspend():
            subprocess.run([*editor, *paths], check=False)
    except OSError as error:
        app.say(f"{editor[0]}: {error.strerror}; set EDITOR", is_bad=True)
        return False
    except SuspendNotSupported:
        app.say("no editor can be opened from here: edit the file elsewhere", is_bad=True)
        return False
    return True


def _copy(app: ArmHypApp) -> None:
    from arm_hyp.tui.panels.trap import markdown

    view = app.driver.view
    if view is None or view.trap is None:
        app.say("there is no trap to copy yet: PgDn goes to one", is_bad=True)
        return
    app.copy_to_clipboard(markdown(view))
    app.say("the trap is in the clipboard, as Markdown")


def _explain(app: ArmHypApp) -> None:
    """Explain the word under the mouse, or the one that the panel has chosen, or one that the user names."""
    word = word_here(app)
    if word is None:
        app.question("explain (HCR_EL2.TWI, ESR_EL2, WFI, IPA, HYP012)", app.explain)
    else:
        app.do("explain", lambda: app.explain(word))


def word_here(app: ArmHypApp) -> str | None:
    """Return the word under the mouse that can be explained, or the one that the panel has chosen."""
    position = app.mouse_position
    if app.screen.region.contains_point(position):
        found = app.screen.get_style_at(*position).meta.get("explain")
        if isinstance(found, str):
            return found
    chosen = getattr(app.focused_panel, "chosen_word", None)
    return chosen if isinstance(chosen, str) else None


# --- panels -----------------------------------------------------------------------------------------------------------


def _panel_other(app: ArmHypApp) -> None:
    """Show the next panel that is not seen, in the slot that has the focus."""
    if app.is_tiny:
        return
    widget = app.slot_to_use()
    seen = {one.panel.name for one in app.widgets if one.panel is not None}
    start = NAMES.index(widget.panel.name) if widget.panel is not None else 0
    order = [*NAMES[start + 1 :], *NAMES[:start]]
    app.put(next(name for name in order if name not in seen), widget)


def _zoom(app: ArmHypApp) -> None:
    panel = app.focused_panel
    app.zoom(None if app.zoomed or panel is None else panel.name)


def _console(app: ArmHypApp) -> None:
    """Type to the guest, in a console."""
    panel = app.focused_panel
    if panel is app.panels["consoles"]:
        app.typing.begin(int(getattr(panel, "vm", 0)))
    else:
        app.say("Enter types to a guest where a console has the focus: press 7")


def _ladder(method: str) -> Do:
    def do(app: ArmHypApp) -> None:
        if app.driver.view is not None:
            getattr(app.panels["ladder"], method)(app.driver.view)
            app.look_soon()

    return do


def _theme(app: ArmHypApp) -> None:
    names = list(PALETTES)
    current = next(name for name in names if PALETTES[name] == app.look.palette)
    following = names[(names.index(current) + 1) % len(names)]
    app.wear(replace(app.look, palette=PALETTES[following]))
    app.say(f"colours: {following}")
    app.show()


def _help(app: ArmHypApp) -> None:
    app.push_screen(HelpScreen(app.seen_panels(), app.look, app.actions))


def _interrupt(app: ArmHypApp) -> None:
    """Pause what goes on, or close what is in front; the second time leave, the third time at once."""
    if app.driver.view is None or app.is_leaving:
        app.end(INTERRUPTED)
    elif app.is_interrupted:
        app.leave()
    else:
        _pause(app)
    app.is_interrupted = True


def _pause(app: ArmHypApp) -> None:
    if len(app.screen_stack) > 1:
        app.screen.dismiss()
    elif app.running.goes_on:
        app.running.pause()
    elif not app.work.is_idle.is_set():
        app.driver.link.stop()
    app.say("Ctrl-C again quits")


DO: Final[Mapping[str, Do]] = {
    "step": lambda app: app.soon("step", app.driver.step),
    "back": lambda app: app.soon("back", app.driver.back),
    "next_trap": _quick("next_trap"),
    "previous_trap": _quick("previous_trap"),
    "run": _run,
    "run_back": _quick("run_back"),
    "home": _quick("home"),
    "end": _quick("end"),
    "stop": lambda app: app.stop_working(),
    "goto": _asked("go to (1,526.2, +100, 50%, mark, symbol, 0x40080000)", "goto"),
    "faster": _faster,
    "slower": _slower,
    "search": _asked("search (symbol, or condition: EC=0x24, to_el==EL2, HCR_EL2.VM=1)", "search"),
    "search_next": _quick("search_again"),
    "search_previous": _search_previous,
    "breakpoint": _breakpoint,
    "mark": _asked("name of this position", "mark"),
    "why": _alone("trap"),
    "whatif": _whatif,
    "undo": _quick("undo"),
    "branches": _branches,
    "who_changed": _asked("who changed (HCR_EL2.TWI, X0, ESR_EL2, 0x40080000/8)", "last_change"),
    "edit": _edit,
    "copy": _copy,
    "explain": _explain,
    "focus_next": lambda app: app.action_focus_next(),
    "focus_previous": lambda app: app.action_focus_previous(),
    "panel_other": _panel_other,
    "zoom": _zoom,
    "ladder_out": _ladder("zoom_out"),
    "ladder_in": _ladder("zoom_in"),
    "subject": _quick("next_subject"),
    "console": _console,
    "save": lambda app: app.question("save the run as", app.driver.save, app.options.record or "run.hyp"),
    "text": _alone("page"),
    "theme": _theme,
    "help": _help,
    "interrupt": _interrupt,
    "quit": lambda app: app.leave(),
}
assert DO.keys() == {action.name for action in ACTIONS}


def _go(app: ArmHypApp, place: Any) -> None:
    app.do("go", lambda: app.driver.go(Position(*place)))


def _flip(app: ArmHypApp, bit: Any) -> None:
    app.do("flip", lambda: app.driver.flip(bit))


def _explain_word(app: ArmHypApp, word: Any) -> None:
    app.do("explain", lambda: app.explain(word))


def _press(app: ArmHypApp, name: Any) -> None:
    app.action_do(name) if name in DO else app.action_panel(name.removeprefix("panel_"))


def _look(app: ArmHypApp, who: Any) -> None:
    vm, index = who
    app.do("look_at", lambda: app.driver.look_at(Whose(index, vm)))


def _printed(app: ArmHypApp, where: Any) -> None:
    vm, offset = where
    app.do("printed", lambda: app.driver.printed_by(vm, offset))


CLICKS: Final[Mapping[str, Callable[[ArmHypApp, Any], None]]] = {
    "flip": _flip,
    "press": _press,
    "look": _look,
    "printed": _printed,
    "go": _go,
    "explain": _explain_word,
}
"""What a click on a cell does, by what the cell stands for; the first that it has counts."""
