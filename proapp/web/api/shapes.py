"""Everything that goes in and out, field by field: what is checked, what is answered and what is described are one."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from proapp.services.cohort import MODE_ORDER
from proapp.study.status import Collection, Expectation, Phase, Shown, Timing

Mode = Literal["self_remote", "self_clinic", "paper", "phone", "interview", "proxy"]
assert set(get_args(Mode)) == set(MODE_ORDER)
Counts = dict[str, Annotated[int, Field(ge=0)]]
NO_NUL = r"^[^\x00]*$"  # no database takes that sign
StudyId = Annotated[
    str, Field(pattern=NO_NUL, description="The participant's number in the study.", examples=["UME-001"])
]
SiteCode = Annotated[str, Field(description="The code of a site in the study file.", examples=["UME"])]
ArmCode = Annotated[str, Field(description="The code of an arm in the study file.", examples=["SURG"])]


class Shape(BaseModel):
    """One object. Unknown fields are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=lambda schema: _tidy(schema))


def _tidy(schema: dict[str, Any]) -> None:
    for inner in schema.get("properties", {}).values():
        inner.pop("title", None)


# --- what is asked ---------------------------------------------------------------------------------------------------


class Nothing(Shape):
    """No parameters."""


class OfSite(Shape):
    site: SiteCode | None = Field(None, description="Only of this site; without it, of all that the token is for.")


class Walk(OfSite):
    after: str | None = Field(
        None, max_length=40, pattern=NO_NUL, description="The `next` of the page before: begin after that participant."
    )
    limit: int = Field(100, ge=1, le=200, description="At most so many participants on a page.")


class AssessmentWalk(Walk):
    study_id: StudyId | None = Field(None, description="Only of this participant.")


class AtCutOff(OfSite):
    cutoff: date | None = Field(None, description="The last day that counts; today when left out.")


class NewParticipant(Shape):
    """Somebody who has consented. How to reach them the site records: no contact is taken here."""

    study_id: StudyId = Field(max_length=40)
    site: SiteCode
    language: str = Field(description="The language of the questionnaires.", examples=["sv"])
    consent_on: date = Field(description="The local day of the consent to the questionnaires.")


class NewRandomization(Shape):
    """A randomisation that has happened."""

    study_id: StudyId = Field(max_length=40)
    arm: ArmCode
    randomized_on: date = Field(description="The local day at the site.")
    randomized_time: time | None = Field(None, description="The local time at the site, such as 14:05.")
    baseline_override_reason: str | None = Field(
        None,
        max_length=500,
        pattern=NO_NUL,
        description="Why it is recorded although no valid baseline was sent before; kept in the audit trail.",
    )


# --- what is answered ------------------------------------------------------------------------------------------------


class Participant(Shape):
    """Somebody who takes part. No contact data, no answers."""

    study_id: StudyId
    site: SiteCode
    language: str = Field(description="The language of the questionnaires.", examples=["sv"])
    enrolled_at: datetime = Field(description="When the participant was entered here.")
    consent_on: date | None = Field(description="The day of the consent to the questionnaires.")
    randomized_on: date | None = Field(description="The local day of the randomisation.")
    arm: ArmCode | None = Field(None, description="Only in answers to a token that may see arms.")
    status: Literal["enrolled", "randomized", "stopped", "withdrawn", "dead"] = Field(
        description="`stopped`: no more questionnaires; `withdrawn`: from the trial."
    )
    status_on: date | None = Field(description="The local day since which that is so.")


class Assessment(Shape):
    """An assessment that was or is expected, with its state and no answer. It is known by participant, time point and
    occurrence."""

    study_id: StudyId
    site: SiteCode = Field(description="The site that was responsible on the target day.")
    timepoint: str = Field(description="The code of a time point in the study file.", examples=["m03"])
    occurrence: int = Field(ge=1, description="Counts the assessments of a time point that repeats.")
    protocol_version: str = Field(description="The version of the protocol it follows.")
    target_on: date | None = Field(description="Null while the day it is counted from is not known.")
    opens_on: date | None = Field(description="The first day of its window.")
    closes_on: date | None = Field(description="The last day of its window.")
    late_until: date | None = Field(description="The last day on which it is still taken, as late.")
    extension_until: date | None = Field(description="The last day, where the site has given more time.")
    status: Shown = Field(description="The state in one word; it follows from the fields below.")
    expectation: Expectation = Field(description="Whether it is asked for.")
    not_expected_reason: str | None = Field(description="Why it is not, as a code.")
    collection: Collection = Field(description="What came of it.")
    phase: Phase = Field(description="Where today lies in its window.")
    timing: Timing | None = Field(description="Where the completed one lies in the window.")
    missing_reason: str | None = Field(description="Why it is missing, as a code; null while nobody knows.")
    completed_on: date | None = Field(description="The local day on which the participant completed it.")
    submitted_at: datetime | None = Field(description="When it was received.")
    mode: Mode | None = Field(description="How it was answered.")
    answered_items: int | None = Field(ge=0, description="How many questions have an answer.")
    scorable: bool | None = Field(description="Whether a core scale can be computed; null before it is sent.")


class Enrolled(Shape):
    """The participant as it was enrolled."""

    study_id: StudyId
    site: SiteCode
    language: str = Field(description="The language of the questionnaires.", examples=["sv"])
    consent_on: date = Field(description="The local day of the consent to the questionnaires.")


class Randomization(Shape):
    """The randomisation as it was recorded."""

    study_id: StudyId
    arm: ArmCode
    randomized_on: date = Field(description="The local day at the site.")
    randomized_time: str | None = Field(description="The local time at the site; null where it was not sent.")


class ComplianceRow(Shape):
    """One time point, of one arm or of all together. population = not_reached + pending + not_expected +
    received_valid + received_invalid + missing."""

    timepoint: str = Field(description="The code of a time point in the study file.", examples=["m03"])
    arm: ArmCode | None = Field(description="Null for all arms together; apart only for a token that may see arms.")
    population: int = Field(ge=0, description="Randomised and consenting by the cut-off.")
    pending: int = Field(ge=0, description="The day it is counted from is not known.")
    not_reached: int = Field(ge=0, description="The window is not closed and nothing was sent.")
    reached: int = Field(ge=0, description="Sent, or the window is closed by the calendar.")
    not_expected: Counts = Field(description="Not expected, by reason.")
    expected: int = Field(ge=0, description="Not reached, received or missing.")
    received_valid: int = Field(ge=0, description="Received, and a core scale can be computed.")
    received_invalid: int = Field(ge=0, description="Received, and no core scale can be computed.")
    received_timing: Counts = Field(description="Received, by place in the window.")
    accepted: int = Field(ge=0, description="Received, valid and in the window.")
    missing: Counts = Field(description="Expected, closed and not received, by reason; `unexplained`: none recorded.")
    completion_denominator: int = Field(ge=0, description="Received or missing.")
    completion_rate: float | None = Field(description="accepted / completion_denominator; null where that is 0.")
    available_data_rate: float | None = Field(description="accepted / population; null where that is 0.")
    available_data_rate_reached: float | None = Field(description="accepted / reached; null where that is 0.")


class Export(Shape):
    """An export of data that was made here. The data themselves are not to be had from the API."""

    created_at: datetime = Field(description="When it was made.")
    role: str = Field(description="The role of who made it, or `command_line`.")
    cutoff: date = Field(description="The last local day that counted.")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Of the file, by which the same one is known again.")
    bytes: int = Field(ge=0, description="The size of the file.")
    rows: Counts = Field(description="How many rows each data set has.")


class ClosedAssessment(Shape):
    """Which assessment is closed, and how it ended."""

    study_id: StudyId
    site: SiteCode = Field(description="The site that was responsible on the target day.")
    timepoint: str = Field(description="The code of a time point in the study file.", examples=["m03"])
    occurrence: int = Field(ge=1, description="Counts the assessments of a time point that repeats.")
    status: Literal["completed", "completed_unscorable", "declined", "missed"] = Field(
        description="A later event of the same assessment takes its place: it was opened once more."
    )


class Closed(Shape):
    """What is sent to PROAPP_WEBHOOK_URL, signed, and again until it is taken."""

    id: str = Field(
        pattern="^evt_[0-9a-f]{32}$", description="The same at every try; take what has come already as done."
    )
    type: Literal["assessment.closed"] = Field(description="The kind of event.")
    created_at: datetime = Field(description="When it was noticed.")
    data: ClosedAssessment = Field(description="What it is about.")


Next = Annotated[str | None, Field(description="Send it as `after` for the next page; null on the last.")]


class ParticipantPage(Shape):
    """Participants in the order of their study ids."""

    data: list[Participant] = Field(description="The participants of this page.")
    next: Next


class AssessmentPage(Shape):
    """All the assessments of so many participants, in the order of study id and protocol."""

    data: list[Assessment] = Field(description="The assessments of this page.")
    next: Next


class Compliance(Shape):
    """How complete the answers are at the end of a day."""

    cutoff: date = Field(description="The last local day that counted.")
    definitions: list[str] = Field(description="What the numbers mean, in full.")
    data: list[ComplianceRow] = Field(description="Time points in the order of the study.")


class Exports(Shape):
    """The newest exports, the last one first."""

    data: list[Export] = Field(description="At most 50 of them.")


class Fault(Shape):
    """One thing to mend in what was sent."""

    where: str = Field(description="The field or parameter; empty where it has no name of ours.")
    what: str = Field(description="What is wrong with it.")


class Problem(Shape):
    """What went wrong (RFC 9457). Nothing of what was sent stands in it."""

    type: str = Field(pattern="^urn:proapp:problem:", description="A stable code, for programs.")
    title: str = Field(description="In a few words, for people.")
    status: int = Field(description="The status of the answer.")
    detail: str = Field(description="A sentence that says how to mend it.")
    faults: list[Fault] = Field([], description="Each thing to mend, where there can be several.")
