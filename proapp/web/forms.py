"""What the forms of both faces have in common: the form token, trimmed text, and the list of what to mend.

A form that was refused is shown again with status 422, everything typed still in it, a summary on top that leads to
each field, and the same words beside the field (templates/public/forms.html).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask_wtf import FlaskForm
from wtforms import Field, StringField
from wtforms.fields import EmailField, SearchField, TelField, TextAreaField

TRIMMED = (StringField, TextAreaField, EmailField, TelField, SearchField)


def trimmed(value: Any) -> Any:
    """Text without blanks at both ends and without NUL, which no database takes; anything else as it is."""
    return value.replace("\0", "").strip() if isinstance(value, str) else value


class Form(FlaskForm):
    """Base of all forms: text comes without blanks at its ends (never passwords)."""

    class Meta(FlaskForm.Meta):
        def bind_field(self, form: Any, unbound_field: Any, options: dict[str, Any]) -> Any:
            if unbound_field.field_class in TRIMMED:
                options["filters"] = [*unbound_field.kwargs.get("filters", ()), trimmed]
            return unbound_field.bind(form=form, **options)

    def problems(self) -> Iterator[tuple[str, str]]:
        """(id of the element to go to, sentence) for every fault, in the order of the fields."""
        for field in self:
            for sentence in _sentences(field.errors):
                yield goes_to(field), sentence
        for sentence in self.form_errors:
            yield "", sentence

    def refuse(self, field: Field | None, sentence: str) -> None:
        """Add a fault that only a service could see."""
        if field is None:
            self.form_errors = [*self.form_errors, sentence]
        else:
            field.errors = [*field.errors, sentence]


def goes_to(field: Field) -> str:
    """The id a link in the summary leads to: the first choice of a group, else the field itself."""
    return f"{field.id}-0" if field.type == "RadioField" else str(field.id)


def _sentences(errors: Any) -> Iterator[str]:
    for error in errors:
        if isinstance(error, (list, tuple)):
            yield from _sentences(error)
        else:
            yield str(error)
