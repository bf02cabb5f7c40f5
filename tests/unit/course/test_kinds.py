"""Each kind of task: how it is answered, what the answer changes in the run, and how it is judged without a check."""

from pathlib import Path

import pytest
from course_support import HEAD, HINTS, OFF, QUIZ, failed, judged, make, write

from arm_hyp.course.kinds.table import KINDS
from arm_hyp.course.manifest import Lesson, Task
from arm_hyp.errors import UserError

SLEEPING = f"""
_start: adr     x0, vectors
        msr     vbar_el2, x0
        adr     x0, el1
        msr     elr_el2, x0
        mov     x0, #0x3c5
        msr     spsr_el2, x0
        eret
el1:    wfi
        .balign 2048
vectors: .skip 0x400
wrong:  b       off
{OFF}
"""
"""Enters EL1, whose WFI ends the run at EL2 if it traps."""
READS = f"""
_start: ldr     x1, =0x40200000
        ldr     x19, [x1, #8]
{OFF}
"""


def task(kind: str, more: str) -> str:
    return f'[[task]]\nname = "it"\nkind = "{kind}"\ntitle = "It"\npoints = 1\n{HINTS}{more}\n'


def lesson(folder: Path, table: str, guest: str = "", right: str = "", check: str = "") -> Lesson:
    """Write a lesson with one task: with a guest, the solution's answer, and a check that does so much."""
    files = {"machine/guest.s": guest, "solution/answers.toml": right}
    if check:
        head = 'from arm_hyp.course.checks import EC, check\n@check("it", title="")\n'
        files["checks.py"] = f"{head}def right(judge):\n    {check}\n"
    return make(folder / "01-it", HEAD + table, files)


def answer(folder: Path, of: Lesson, *words: str) -> Path:
    """Answer the task as the command line does, and return the student's folder."""
    from arm_hyp.course.answers import write_answer

    (only,) = of.tasks
    write_answer(folder / "mine", only.name, KINDS[only.kind].read(only, words))
    return folder / "mine"


def refusal(of: Task, *words: str) -> str:
    with pytest.raises(UserError) as error:
        KINDS[of.kind].read(of, words)
    return str(error.value)


# --- in a word --------------------------------------------------------------------------------------------------------


def test_a_quiz_tells_what_is_wrong_and_not_what_is_right(tmp_path: Path):
    made = lesson(tmp_path, QUIZ, right='quiz = "b"')
    assert judged(made, answer(tmp_path, made, "b")).status == "passed"
    told = failed(judged(made, answer(tmp_path, made, "a"))).feedback
    assert told is not None
    assert told.lines() == ("happened: you answered a: this", "expected: another answer", "why:      this is not it")


def test_no_answer_fails_and_says_how_to_answer(tmp_path: Path):
    made = lesson(tmp_path, QUIZ, right='quiz = "b"')
    told = failed(judged(made, tmp_path)).feedback
    assert told is not None
    assert (told.got, told.expected) == ("nothing is answered yet", "an answer: arm-hyp lesson answer quiz VALUE")
    write(tmp_path, {"answers.toml": 'quiz = "z"'})
    told = failed(judged(made, tmp_path)).feedback
    assert told is not None and told.got == "quiz: z: is no choice"


def test_a_choice_that_there_is_not_is_refused(tmp_path: Path):
    (only,) = lesson(tmp_path, QUIZ).tasks
    assert refusal(only, "c") == "quiz: c: is no choice; there are a, b"
    assert refusal(only, " ").startswith("quiz: nothing was answered; Which?")


@pytest.mark.parametrize(
    ("given", "status"), [("0x4_0", "passed"), ("64", "passed"), ("65", "failed"), ("x", "failed")]
)
def test_a_typed_number_is_compared_as_a_number(tmp_path: Path, given: str, status: str):
    made = lesson(tmp_path, task("predict", 'question = "How many?"'), right="it = 64")
    assert judged(made, answer(tmp_path, made, given)).status == status


def test_a_typed_text_is_compared_without_case_and_spaces(tmp_path: Path):
    made = lesson(tmp_path, task("predict", 'question = "Which?"'), right='it = "HCR_EL2.TWI"')
    assert judged(made, answer(tmp_path, made, " hcr_el2.twi ")).status == "passed"


def test_a_prediction_is_held_against_the_machine(tmp_path: Path):
    check = 'judge.expect_answer("no" if judge.run().traps(EC.WFX) else "yes")'
    table = task("predict", 'question = "Does it wait?"\nmachine = { image = "guest.s" }')
    made = lesson(tmp_path, table, guest=SLEEPING, check=check)
    assert judged(made, answer(tmp_path, made, "yes")).status == "passed"
    assert judged(made, answer(tmp_path, made, "no")).status == "failed"


@pytest.mark.parametrize(
    ("given", "status"), [("guest.s:4", "passed"), ("wrong", "passed"), ("0x4008000c", "failed"), ("X9", "failed")]
)
def test_a_bug_is_named_by_its_line_a_symbol_or_an_address(tmp_path: Path, given: str, status: str):
    guest = f"_start: mov x0, #1\n        mov x1, #2\n\nwrong:  mov x0, #3\n        mov x2, #4\n{OFF}"
    table = task("bug", 'question = "Where?"\nmachine = { image = "guest.s", el = 2 }')
    made = lesson(tmp_path, table, guest=guest, right='it = "_start+8"')
    assert judged(made, answer(tmp_path, made, given)).status == status


def test_a_wrong_answer_without_choices_is_told_why_in_whatever_form_it_is(tmp_path: Path):
    guest = f"_start: mov x0, #1\n        mov x1, #2\n{OFF}"
    more = 'question = "Where?"\nwhy = { "guest.s:1" = "that one is right" }\nmachine = { image = "guest.s" }'
    made = lesson(tmp_path, task("bug", more), guest=guest, right='it = "_start+4"')
    reasons = []
    for given in ("_start", "guest.s:1", "8"):
        feedback = failed(judged(made, answer(tmp_path, made, given))).feedback
        assert feedback is not None
        reasons.append(feedback.why)
    form = "it names no place of the program: give a line as FILE:LINE, a symbol or an address"
    assert reasons == ["that one is right", "that one is right", form]


# --- by numbers -------------------------------------------------------------------------------------------------------


def test_bits_are_set_before_the_first_instruction(tmp_path: Path):
    machine = 'machine = { image = "guest.s", set = ["HCR_EL2.RW=1"] }'
    table = task("configure", f'bits = ["HCR_EL2.TWI", "HCR_EL2.TWE"]\n{machine}')
    check = 'judge.run().expect_trap(EC.WFX, "el1", why="TWI")'
    made = lesson(tmp_path, table, guest=SLEEPING, check=check)
    assert judged(made, answer(tmp_path, made, "HCR_EL2.TWI=1")).status == "passed"
    told = failed(judged(made, answer(tmp_path, made, "HCR_EL2.TWI=0", "HCR_EL2.TWE=1"))).feedback
    assert told is not None
    assert told.got == "WFI at EL1 does not trap because HCR_EL2.TWI is 0: the CPU itself waits."
    assert told.place.endswith("<el1>, EL1: wfi (guest.s:9)")


def test_only_the_bits_of_the_task_can_be_set_and_only_to_what_fits(tmp_path: Path):
    (only,) = lesson(tmp_path, task("configure", 'bits = ["HCR_EL2.TWI"]')).tasks
    told = "it: HCR_EL2.VM: cannot be set here; set any of HCR_EL2.TWI, as HCR_EL2.TWI=1"
    assert refusal(only, "HCR_EL2.VM=1") == told
    assert "HCR_EL2.TWI: is not NAME=NUMBER" in refusal(only, "HCR_EL2.TWI")
    assert "does not fit" in refusal(only, f"HCR_EL2.TWI={1 << 64}")


def test_a_table_by_values_is_in_ram_when_the_guest_starts(tmp_path: Path):
    table = task("tables", 'base = 0x40200000\nentries = 4\nmachine = { image = "guest.s" }')
    check = 'judge.run().expect_register("X19", 0xff00000000000743)'
    made = lesson(tmp_path, table, guest=READS, check=check)
    assert judged(made, answer(tmp_path, made, "0=0x1", "1=0xff00000000000743")).status == "passed"
    told = failed(judged(made, answer(tmp_path, made, "1=0x743"))).feedback
    assert told is not None and told.got == "X19 is 0x743"
    assert refusal(made.tasks[0], "4=0") == "it: 4: is no entry of the table; there are 0 to 3"
    assert "does not fit in 64 bits" in refusal(made.tasks[0], f"1={1 << 64}")


# --- what a table must have -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "more", "told"),
    [
        ("quiz", "", "question: is missing"),
        ("quiz", 'question = "?"\nchoices = { a = "x" }', "choices: one is no choice"),
        ("quiz", 'question = "?"\nfiles = ["a.py"]', "files: a task of the kind quiz has none"),
        ("configure", "", "bits: names no field to configure"),
        ("tables", "", "base: is missing: where is the table? Or name files, if a guest builds it"),
        ("handler", "", "files: names no file of the student's"),
        ("handler", 'files = ["a.s"]', "files: names no file of handlers (.py)"),
        ("guest", "", "files: names no file of the student's"),
    ],
)
def test_what_a_kind_needs_is_told(tmp_path: Path, kind: str, more: str, told: str):
    (only,) = lesson(tmp_path, task(kind, more)).tasks
    assert told in [*KINDS[only.kind].mistakes(only)]
