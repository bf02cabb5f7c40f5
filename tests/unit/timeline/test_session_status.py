"""What a session says of its run."""

from arm_hyp.resources import guests_directory
from arm_hyp.runner.configuration import Configuration
from arm_hyp.runner.messages import Run
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import StatusAnswer
from arm_hyp.timeline.process.session import Session


def _outcome(session: Session) -> str:
    answer = session.send(ask.Status())
    assert isinstance(answer, StatusAnswer)
    return answer.outcome


def test_a_search_that_stops_in_a_new_run_does_not_end_it() -> None:
    session = Session(Configuration(image=str(guests_directory() / "02-wfi.s"), settings=("HCR_EL2.TWI=1",)))
    session.send(ask.Next("exception"))
    assert _outcome(session) == ""
    session.send(Run(1_000))
    assert "powered off" in _outcome(session)
