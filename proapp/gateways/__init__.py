"""How a message leaves the house: one small class for each way, all with the same face, none knowing the database.

`protocol` is that face, `build` makes the gateways that the settings name. A gateway says what became of a message and
never tries twice: when to try again is the outbox's business.
"""
