from __future__ import annotations

from datetime import UTC, date, datetime

from proapp.study.events import Event, anchors, participant_facts
from proapp.study.schedule import Anchors
from proapp.study.status import ParticipantFacts


def at(day):
    return datetime(2026, 1, day, 12, tzinfo=UTC)


CONSENT = Event(1, "pro_consent", date(2026, 1, 1), at(1))
RANDOMIZED = Event(2, "randomized", date(2026, 1, 10), at(10), arm="SURG")


def test_each_event_gives_its_date():
    events = [
        CONSENT,
        RANDOMIZED,
        Event(3, "surgery", date(2026, 1, 12), at(12)),
        Event(4, "progression", date(2026, 1, 13), at(13)),
        Event(5, "pro_stop", date(2026, 1, 14), at(14)),
        Event(6, "trial_withdrawal", date(2026, 1, 15), at(15)),
        Event(7, "death", date(2026, 1, 16), at(16)),
        Event(8, "off_treatment", date(2026, 1, 2), at(16)),
    ]
    assert anchors(events) == Anchors(date(2026, 1, 1), date(2026, 1, 10), "SURG", date(2026, 1, 12), date(2026, 1, 13))
    assert participant_facts(events) == ParticipantFacts(
        date(2026, 1, 1), date(2026, 1, 10), "SURG", date(2026, 1, 16), date(2026, 1, 14), date(2026, 1, 15)
    )


def test_a_correction_replaces_what_it_supersedes():
    corrected = Event(3, "randomized", date(2026, 1, 9), at(12), supersedes=2, arm="ONC")
    assert anchors([CONSENT, RANDOMIZED, corrected]) == Anchors(date(2026, 1, 1), date(2026, 1, 9), "ONC")
    assert anchors([CONSENT, RANDOMIZED, corrected], known_at=at(11)) == Anchors(
        date(2026, 1, 1), date(2026, 1, 10), "SURG"
    )


def test_a_correction_to_a_later_date_takes_the_earlier_one_away_at_a_cut_off_between_them():
    corrected = Event(3, "randomized", date(2026, 1, 20), at(21), supersedes=2, arm="SURG")
    assert participant_facts([CONSENT, RANDOMIZED, corrected], cut_off=date(2026, 1, 15)).randomized_on is None


def test_a_revoked_event_never_happened():
    revoked = Event(3, "revoked", date(2026, 1, 11), at(11), supersedes=2)
    assert participant_facts([CONSENT, RANDOMIZED, revoked]) == ParticipantFacts(date(2026, 1, 1))


def test_of_several_the_first_to_take_effect_counts():
    again = Event(3, "randomized", date(2026, 1, 8), at(20), arm="ONC")
    assert anchors([RANDOMIZED, again]).randomized_on == date(2026, 1, 8)
