"""Moving to another clinic: who is responsible when, what the former site still reads, and corrections of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from proapp.db.models import AuditEvent, ContactAttempt, FormerSite, Participant, ParticipantEvent
from proapp.export import compliance as table
from proapp.services import (
    cohort,
    contact_log,
    contacts,
    enrolment,
    event_corrections,
    follow_up,
    former_sites,
    language_change,
    overview,
    register,
    transfer,
)
from proapp.services.audit import Actor
from proapp.services.errors import NotFound, Refused
from proapp.services.overview import Wanted
from tests.people import People, faults

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
TODAY = date(2026, 11, 23)
UME, LUN, GOT = (frozenset({code}) for code in ("UME", "LUN", "GOT"))
MOVED_ON = date(2026, 11, 2)


@pytest.fixture
def house(runtime):
    return People(runtime, None, None)


@pytest.fixture
def nurse(house):
    return Actor("staff", house.staff_id("berit"), "nurse")


@pytest.fixture
def anna(house):
    return house.participant(
        consent_on=date(2026, 2, 1), randomized_on=date(2026, 2, 10), enrolled_at=datetime(2026, 2, 1, 9, tzinfo=UTC)
    )  # m03 on 10 May, m06 on 10 August, m12 in February


@pytest.fixture
def move(session, study, nurse, anna):
    def call(to="LUN", on=MOVED_ON, *, sites=UME, **changes):
        given = {"study_id": "UME-001", "note": None, "actor": nurse, "now": NOW, **changes}
        return transfer.transfer(session, study=study, sites=sites, to=to, effective_on=on, **given)

    return call


def periods(session):
    rows = session.scalars(select(FormerSite).order_by(FormerSite.id))
    return [(row.site_code, row.from_on, row.until_on) for row in rows]


def site_of(session):
    session.expire_all()
    return session.scalar(select(Participant.site_code).where(Participant.study_id == "UME-001"))


def test_the_new_site_takes_over_and_the_former_one_keeps_its_time(session, move, anna):
    move()
    assert site_of(session) == "LUN"
    assert periods(session) == [("UME", date(2026, 2, 1), MOVED_ON)]
    told = session.scalars(select(AuditEvent).where(AuditEvent.chain == f"p{anna}").order_by(AuditEvent.seq)).all()
    assert [(one.action, one.entity) for one in told] == [
        ("event.recorded", "participant_event"),
        ("participant.changed", "participant"),
        ("former_site.recorded", "former_site"),
    ]
    assert list(faults(session)) == []


def test_every_service_forgets_the_participant_for_the_former_site(session, runtime, study, move, nurse):
    move()
    for sites, found in ((UME, False), (LUN, True), (None, True)):
        assert bool(cohort.load(session, study=study, sites=sites, today=TODAY).members) is found
    assert follow_up.work(session, study=study, sites=UME, now=NOW).total == 0
    assert follow_up.work(session, study=study, sites=LUN, now=NOW).total > 0
    with pytest.raises(NotFound):
        register.find(session, study_id="UME-001", sites=UME)
    with pytest.raises(NotFound):
        contacts.read(session, vault=runtime.vault, study_id="UME-001", sites=UME, actor=nurse)
    with pytest.raises(NotFound):
        move("GOT", TODAY)


def test_a_former_site_reads_its_own_time_and_no_more(session, study, move, house, anna, nurse):
    log = {"study": study, "study_id": "UME-001", "assessment_id": None, "actor": nurse}
    note = contact_log.Note("phone", "no_answer")
    contact_log.log(session, sites=UME, noted=note, now=datetime(2026, 10, 1, 9, tzinfo=UTC), **log)
    move()
    contact_log.log(session, sites=LUN, noted=contact_log.Note("sms", "left_message"), now=NOW, **log)
    session.commit()
    house.event(anna, "progression", date(2026, 10, 5))
    house.event(anna, "death", date(2026, 11, 10))
    house.event(anna, "language_change", date(2026, 11, 9), **{"from": "sv", "to": "en"})
    (seen,) = former_sites.load(session, study=study, sites=UME, today=TODAY).members
    assert [one.timepoint for one in seen.assessments] == ["baseline", "m03", "m06"]
    assert [one.outcome for one in seen.attempts] == ["no_answer"]
    assert [one.type for one in seen.events] == ["pro_consent", "randomized", "site_transfer", "progression"]
    assert (seen.facts.died_on, seen.channel, seen.contact, seen.activated_at) == (None, None, None, None)
    assert seen.language == "sv"
    (whole,) = former_sites.load(session, study=study, sites=LUN, today=TODAY).members
    assert len(whole.assessments) == len(study.timepoints)
    assert (whole.facts.died_on, len(whole.attempts), whole.periods) == (date(2026, 11, 10), 2, None)


def test_a_language_chosen_at_the_new_site_is_not_told_to_the_former_one(session, study, move, nurse):
    move()
    given = {"study_id": "UME-001", "sites": LUN, "language": "en", "actor": nurse, "now": NOW}
    assert language_change.change_language(session, study=study, **given) is not None
    (seen,) = former_sites.load(session, study=study, sites=UME, today=TODAY).members
    (whole,) = former_sites.load(session, study=study, sites=LUN, today=TODAY).members
    assert (seen.language, whole.language) == ("sv", "en")


def test_somebody_elses_participant_is_as_absent_as_ever(session, study, move, house):
    move()
    session.commit()
    house.participant("LUN-009")
    assert [one.study_id for one in former_sites.load(session, study=study, sites=UME, today=TODAY).members] == [
        "UME-001"
    ]
    assert former_sites.load(session, study=study, sites=GOT, today=TODAY).members == ()
    with pytest.raises(NotFound):
        overview.dossier(session, study=study, sites=GOT, today=TODAY, now=NOW, study_id="UME-001")


def test_the_history_of_a_former_site_ends_with_its_time(session, study, anna, nurse, move):
    note = contact_log.Note("phone", "no_answer")
    log = {"study": study, "study_id": "UME-001", "assessment_id": None, "actor": nurse, "noted": note}
    first = datetime(2026, 11, 1, 22, 59, tzinfo=UTC)  # one minute before midnight in Stockholm
    contact_log.log(session, sites=UME, now=first, **log)
    contact_log.log(session, sites=UME, now=first + timedelta(minutes=2), **log)
    move()
    told = overview.dossier(session, study=study, sites=UME, today=TODAY, now=NOW, study_id="UME-001").changes
    assert [(one.action, one.at) for one in told] == [("contact.logged", first)]
    everything = overview.dossier(session, study=study, sites=LUN, today=TODAY, now=NOW, study_id="UME-001").changes
    assert len(everything) == 5


def test_an_assessment_counts_for_the_site_of_its_target_date(session, study, move):
    move()

    def population(sites):
        found = former_sites.load_responsible(session, study=study, sites=sites, today=TODAY, cut_off=TODAY)
        return {code: flow.population for (code, arm), flow in table.flows(found, study).items() if arm is None}

    first = {"baseline": 1, "m03": 1, "m06": 1}
    later = {"m12": 1, "m18": 1, "m24": 1, "m36": 1}
    nobody = dict.fromkeys(population(None), 0)
    assert population(UME) == {**nobody, **first}
    assert population(LUN) == {**nobody, **later}
    assert population(None) == {**first, **later}


def test_a_cut_before_the_transfer_knows_nothing_of_it(session, study, move):
    move(on=date(2026, 5, 1))
    before, day = (date(2026, 11, 22), date(2026, 11, 23))  # it was recorded on the 23rd
    for cut_off, sites in ((before, ["UME"] * 7), (day, ["UME", *["LUN"] * 6])):
        (member,) = cohort.load(session, study=study, sites=None, today=cut_off, cut_off=cut_off).members
        assert [one.site_code for one in member.assessments] == sites
        assert member.site_code == sites[-1]


@pytest.mark.parametrize(
    ("to", "on", "code"),
    [
        ("XYZ", TODAY, "site_unknown"),
        ("UME", TODAY, "same_site"),
        ("LUN", TODAY + timedelta(days=1), "date_in_future"),
        ("LUN", date(2026, 1, 31), "date_before_consent"),
    ],
)
def test_a_transfer_that_cannot_be_is_refused(session, move, to, on, code):
    with pytest.raises(Refused, match=code):
        move(to, on)
    assert site_of(session) == "UME"


def test_a_site_that_is_closed_takes_nobody_over(session, study, nurse, anna):
    closed = [replace_site(site, date(2026, 6, 30)) if site.code == "LUN" else site for site in study.sites]
    with pytest.raises(Refused, match="site_not_open"):
        transfer.check_transfer(
            session,
            study=study.model_copy(update={"sites": tuple(closed)}),
            study_id="UME-001",
            sites=UME,
            to="LUN",
            effective_on=TODAY,
            now=NOW,
        )


def replace_site(site, closed_on):
    return site.model_copy(update={"closed_on": closed_on})


def test_nobody_is_transferred_after_death(session, move, house, anna):
    session.commit()
    house.event(anna, "death", date(2026, 11, 1))
    with pytest.raises(Refused, match="after_end"):
        move()


def test_a_second_transfer_comes_after_the_first(session, move):
    move()
    with pytest.raises(Refused, match="transfer_order"):
        move("GOT", MOVED_ON, sites=LUN)
    move("GOT", date(2026, 11, 10), sites=LUN)
    assert periods(session) == [("UME", date(2026, 2, 1), MOVED_ON), ("LUN", MOVED_ON, date(2026, 11, 10))]
    assert site_of(session) == "GOT"


@pytest.fixture
def correct(session, study, nurse):
    def call(event_id, **given):
        fields = {"study_id": "UME-001", "sites": LUN, "reason": "Read wrongly", "actor": nurse, "now": NOW, **given}
        if "new_date" in given:
            return event_corrections.correct_event(session, study=study, event_id=event_id, **fields)
        return event_corrections.revoke_event(session, study=study, event_id=event_id, **fields)

    return call


def test_a_transfer_by_mistake_is_taken_back_by_the_new_site(session, move, correct):
    wrong = move()
    with pytest.raises(NotFound):
        correct(wrong, sites=UME)
    correct(wrong)
    assert (site_of(session), periods(session)) == ("UME", [])
    assert list(faults(session)) == []
    again = move("GOT", TODAY)
    assert site_of(session) == "GOT"
    assert session.get(ParticipantEvent, again).payload == {"from": "UME", "to": "GOT"}


def test_the_day_of_a_transfer_can_be_put_right(session, study, move, correct):
    wrong = move()
    correct(wrong, new_date=date(2026, 8, 1))
    assert periods(session) == [("UME", date(2026, 2, 1), date(2026, 8, 1))]
    (seen,) = former_sites.load(session, study=study, sites=UME, today=TODAY).members
    assert [one.timepoint for one in seen.assessments] == ["baseline", "m03"]


def test_only_the_last_transfer_is_taken_back_and_their_order_stays(session, move, correct):
    first = move()
    second = move("GOT", date(2026, 11, 10), sites=LUN)
    with pytest.raises(Refused, match="not_the_last_transfer"):
        correct(first, sites=GOT)
    for event, day in ((first, date(2026, 11, 11)), (second, date(2026, 11, 1))):
        with pytest.raises(Refused, match="transfer_order"):
            correct(event, sites=GOT, new_date=day)
    correct(second, sites=GOT)
    assert (site_of(session), periods(session)) == ("LUN", [("UME", date(2026, 2, 1), MOVED_ON)])


def test_the_number_of_a_participant_who_moved_is_not_offered_again(session, study, move):
    move()
    assert enrolment.suggestions(session, study=study, sites=None)["UME"] == "UME-002"
    assert enrolment.suggestions(session, study=study, sites=LUN) == {"LUN": "LUN-001"}


def test_lists_take_as_many_statements_with_former_participants_as_without(session, study, statements, move, house):
    def count():
        statements.clear()
        overview.grid(session, study=study, sites=UME, today=TODAY, wanted=Wanted())
        return len(statements)

    before = count()
    move()
    session.commit()
    for number in range(2, 6):
        house.participant(f"UME-{number:03}", randomized_on=date(2026, 2, 10))
    session.execute(select(ContactAttempt))
    assert count() == before


def test_the_grid_of_a_former_site_has_its_own_time(session, study, move):
    move()
    grid = overview.grid(session, study=study, sites=UME, today=TODAY, wanted=Wanted(site="UME"))
    ((member, cells),) = grid.rows
    assert member.study_id == "UME-001"
    assert [cell.timepoint for cell in cells if cell] == ["baseline", "m03", "m06"]
    assert member.periods is not None
