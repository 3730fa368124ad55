"""What makes a PIN good enough; the rest of getting in is tested through the pages that do it."""

from __future__ import annotations

import pytest

from proapp.services.errors import Refused
from proapp.services.patient_access import is_trivial, require_good_pin


@pytest.mark.parametrize("pin", ["4711", "2580", "1213", "1122", "830517", "123456789013", " 47 11 "])
def test_a_pin_that_others_do_not_guess_at_once_will_do(pin: str) -> None:
    require_good_pin(pin, "".join(pin.split()))


@pytest.mark.parametrize("pin", ["", "123", "1234567890123", "abcd", "12a4", "٢٥٨٠", "-123", "1.23"])
def test_a_pin_is_four_to_twelve_digits(pin: str) -> None:
    with pytest.raises(Refused, match="pin_shape"):
        require_good_pin(pin, pin)


@pytest.mark.parametrize("pin", ["0000", "9999999", "1234", "7890", "4321", "0987", "1212", "353535"])
def test_repeats_and_runs_are_too_easy(pin: str) -> None:
    assert is_trivial(pin)
    with pytest.raises(Refused, match="pin_trivial"):
        require_good_pin(pin, pin)


def test_both_must_be_the_same() -> None:
    with pytest.raises(Refused, match="pin_differs"):
        require_good_pin("4711", "4712")
