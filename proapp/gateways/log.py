"""The gateway that sends nothing: a line in the log says that a message would have gone. For trying out and demos."""

from __future__ import annotations

import structlog

from proapp.gateways.protocol import Accepted, Outgoing

log = structlog.get_logger()


class LogGateway:
    name = "log"

    def send(self, message: Outgoing, *, timeout: float) -> Accepted:
        """Never fails. The line names neither the contact nor the text."""
        log.info("gateway.logged", channel=message.channel, reference=message.reference)
        return Accepted(f"log-{message.reference}")
