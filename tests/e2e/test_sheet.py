"""The sheet as it is printed: a camera reads the square, and the phone stands where the code is filled in."""

from __future__ import annotations

import io
import re
from datetime import timedelta

import zxingcpp
from PIL import Image
from playwright.sync_api import expect

from tests.e2e.conftest import DESK, PHONE
from tests.e2e.desk import sign_in
from tests.e2e.phone import Phone


def test_the_printed_square_leads_a_phone_to_the_code_and_the_pin(site, open_browser):
    site.people.participant("UME-061", consent_on=site.today - timedelta(days=1), activated=False)
    desk = sign_in(open_browser(DESK, locale="en-GB"), site, "berit")
    desk.goto("/staff/participants/UME-061/sheet")
    desk.get_by_role("button", name="Make the sheet").click()
    desk.emulate_media(media="print")
    printed = Image.open(io.BytesIO(desk.locator("article.sheet").screenshot()))
    (square,) = zxingcpp.read_barcodes(printed)
    assert square.format == zxingcpp.BarcodeFormat.QRCode
    code = "-".join(desk.locator(".sheet-signs span").all_inner_texts())
    assert re.fullmatch(r"[A-Z2-9]{4}(-[A-Z2-9]{4}){2}", code)
    base = desk.url.split("/staff")[0]
    assert square.text.replace("-", "") == f"{base}/a#{code}".replace("-", "")

    phone = Phone(open_browser(PHONE))
    phone.page.goto(square.text)
    expect(phone.page.locator("input[name=code]")).to_have_value(re.compile(code.replace("-", "[- ]?")))
    expect(phone.page).to_have_url(f"{base}/a")  # out of the address bar, so that no history keeps it
    phone.press()
    phone.give_pin("7391", first_time=True)
