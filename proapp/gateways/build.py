"""The gateways that the settings name, one for each channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from proapp.config import Settings
from proapp.gateway_settings import GatewaySettings
from proapp.gateways.bounded import BoundedGateway
from proapp.gateways.elks46 import Elks46Gateway
from proapp.gateways.http import HttpGateway
from proapp.gateways.log import LogGateway
from proapp.gateways.protocol import Gateway
from proapp.gateways.smtp import Security, SmtpGateway


def build(settings: Settings) -> Mapping[str, Gateway]:
    """{"sms": …, "email": …}; the settings were checked when they were read, so nothing can be missing here."""
    given = settings.gateways
    chosen = {"sms": given.sms, "email": given.email}
    return {channel: BoundedGateway(_one(name, settings)) for channel, name in chosen.items()}


def _one(name: str, settings: Settings) -> Gateway:
    given = settings.gateways
    if name == "46elks":
        return _elks46(settings)
    if name == "smtp":
        return _smtp(given)
    if name == "http":
        return HttpGateway(
            method=given.http_method,
            url=given.http_url,
            body=given.http_body,
            authorization=given.http_authorization or None,
            reference=given.http_reference,
            senders={"sms": given.sms_from, "email": given.email_from},
        )
    return LogGateway()


def _elks46(settings: Settings) -> Gateway:
    given = settings.gateways
    return Elks46Gateway(
        url=given.sms_url,
        user=given.sms_user,
        password=given.sms_password,
        sender=given.sms_from,
        receipts=f"{settings.base_url}/receipts/46elks" if given.receipt_password else None,
        receipt_login=(given.receipt_user, given.receipt_password),
    )


def _smtp(given: GatewaySettings) -> Gateway:
    return SmtpGateway(
        host=given.smtp_host,
        port=given.smtp_port,
        security=cast(Security, given.smtp_security),
        user=given.smtp_user or None,
        password=given.smtp_password or None,
        sender=given.email_from,
        sms_to=given.sms_mail_to or None,
    )
