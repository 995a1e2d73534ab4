from shop.contracts.events import EVENTS
from shop.contracts.generate import drifted


def test_committed_stubs_are_those_of_the_protos():
    """Regenerating the stubs changes nothing."""
    assert drifted() == []


def test_each_event_has_a_subject_of_its_own():
    """No two events share a subject, and each subject is in the stream."""
    subjects = [event.subject for event in EVENTS]
    assert len(set(subjects)) == len(subjects)
    assert {subject.split(".")[0] for subject in subjects} == {"orders", "inventory", "payments"}
