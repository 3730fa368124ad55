"""Senders and addresses stand on a locked telephone: proapp does not start with one that gives somebody away."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from proapp.config import SettingsError
from proapp.gateway_settings import GatewaySettings
from proapp.runtime import build_runtime


def start(settings: Any, *, base_url: str = "https://pro.example.org", **gateways: str) -> None:
    told = replace(settings, base_url=base_url, gateways=GatewaySettings(**gateways))
    build_runtime(told, check_database=False).close()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"email_from": "Onkologen <svar@example.se>"},
            'PROAPP_EMAIL_FROM names a diagnosis or its treatment ("onkolog")',
        ),
        (
            {"email_from": "svar@breastunit.example.se"},
            'PROAPP_EMAIL_FROM names a diagnosis or its treatment ("breast")',
        ),
        ({"email_from": "BreCLIM-2 <svar@example.se>"}, 'PROAPP_EMAIL_FROM names the study ("breclim-2")'),
        ({"sms_from": "Brostcancer"}, 'PROAPP_SMS_FROM names a diagnosis or its treatment ("cancer")'),
        (
            {"base_url": "https://cancer.example.se/pro"},
            'PROAPP_BASE_URL names a diagnosis or its treatment ("cancer")',
        ),
        ({"base_url": "https://breclim2.example.se"}, 'PROAPP_BASE_URL names the study ("breclim")'),
        ({"base_url": "https://breclim-2.example.se"}, 'PROAPP_BASE_URL names the study ("breclim-2")'),
    ],
)
def test_what_gives_somebody_away_is_refused_at_the_start(settings, given, sentence):
    with pytest.raises(SettingsError) as refused:
        start(settings, **given)
    assert f"{sentence}; others may read messages." in refused.value.problems


def test_what_gives_nobody_away_starts(settings):
    start(settings)
    start(settings, email_from="Kliniken <svar@pro.example.se>", sms_from="Kliniken")
