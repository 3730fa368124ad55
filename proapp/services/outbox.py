"""The way out of the outbox: one message at a time is claimed, handed over outside any transaction, and recorded.

A claim carries a lease. A worker that dies between handing over and recording leaves a row that nobody holds any more
and nobody may send: it becomes `possibly_sent`, seen and counted, and only a person may have it sent again.
"""

from __future__ import annotations

from proapp.services.messages import cancel_for_assessment as cancel_for_assessment
from proapp.services.messages import cancel_for_participant as cancel_for_participant
from proapp.services.messages import letter_posted as letter_posted
from proapp.services.messages import queue as queue
from proapp.services.messages import resend as resend
