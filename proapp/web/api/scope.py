"""What a token lets be seen, beyond its scopes: sites and arms."""

from __future__ import annotations

from proapp.services.errors import NotFound
from proapp.services.members import Expected
from proapp.study.versions import tells_the_arm
from proapp.web.guard import machine
from proapp.web.transactions import runtime


def sites(asked_for: str | None) -> frozenset[str] | None:
    """Those of the token, or the one that is asked for. Raises NotFound for one that is not the token's or absent."""
    own = machine().sites
    if asked_for is None:
        return own
    if asked_for not in {site.code for site in runtime().study.sites} or (own is not None and asked_for not in own):
        raise NotFound(asked_for)
    return frozenset({asked_for})


def is_shown(assessment: Expected) -> bool:
    """Whether it can be told of. Where only some arms have a time point, it says which arm somebody has."""
    return machine().sees_arms or not tells_the_arm(runtime().study, assessment.protocol_version, assessment.timepoint)
