"""What can be refused, as types. The web face turns each into a sentence in the reader's language."""

from __future__ import annotations


class Refused(Exception):
    """A rule of the product said no. `code` is stable; `params` fill the sentence."""

    def __init__(self, code: str, **params: object) -> None:
        super().__init__(code)
        self.code = code
        self.params = params


class NotFound(Exception):
    """There is no such thing for this person; the same for absent and for somebody else's."""
