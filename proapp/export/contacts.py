"""Every attempt to reach a participant: how often somebody was asked belongs to the story of a missing answer."""

from __future__ import annotations

from collections.abc import Iterator

from proapp.export.acts import Acts, role_column
from proapp.export.cases import Person
from proapp.export.columns import Cell, Column, Table, meanings
from proapp.export.cut import Cut
from proapp.export.keys import PARTICIPANT_KEY, label, participant_cells, participant_columns
from proapp.services.contact_log import LETTER_SENT, METHODS, OUTCOMES
from proapp.services.follow_up import POSTPONED

_NO_ASSESSMENT = "about no assessment in particular"


def table(cut: Cut) -> Table:
    timepoints = tuple((point.code, label(point.label)) for point in cut.study.timepoints)
    return Table(
        "contacts",
        "one attempt of the clinic to reach a participant, or one postponement",
        (*PARTICIPANT_KEY, "contact_no"),
        (
            *participant_columns(cut),
            Column("contact_no", "integer", "Number of the attempt", "Kontaktförsökets nummer",
                   derivation="1, 2, … in the order of recording"),
            Column("timepoint", "code", "Time point it was about", "Mättillfället det gällde", timepoints,
                   empty=_NO_ASSESSMENT),
            Column("occurrence", "integer", "Number of the assessment at this time point",
                   "Löpnummer inom mättillfället", empty=_NO_ASSESSMENT),
            Column("at", "instant", "When it was recorded", "När det fördes in"),
            role_column(),
            Column("method", "code", "How", "Hur", meanings(*METHODS, none="a postponement, nobody was called")),
            Column("outcome", "code", "What came of it", "Resultat", meanings(*OUTCOMES, LETTER_SENT, POSTPONED)),
            Column("next_on", "date", "To be tried again on", "Nytt försök den", empty="no day was chosen"),
        ),
    )  # fmt: skip


def rows(person: Person, acts: Acts) -> Iterator[tuple[Cell, ...]]:
    who = participant_cells(person.member)
    about = {case.expected.id: (case.expected.timepoint, case.expected.occurrence) for case in person.cases}
    for number, one in enumerate(person.member.attempts, start=1):
        named = about.get(one.assessment_id, (None, None)) if one.assessment_id is not None else (None, None)
        role = acts.role("contact_attempt", one.id)
        yield (*who, number, *named, one.at, role, one.method, one.outcome, one.next_on)
