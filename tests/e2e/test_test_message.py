"""A nurse finds out whether a number works: the button, the worker's command, a gateway on a real socket, its report."""

from __future__ import annotations

import re
from base64 import b64encode
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import expect
from pytest_httpserver import HTTPServer

from proapp.clock import system_clock
from tests.e2e.conftest import DESK, PHONE, installed, no_sideways_scrolling, picture
from tests.e2e.desk import sign_in

LOGIN = ("receipts", "a-long-and-random-text-of-the-tests")


@pytest.fixture(scope="module")
def site(tmp_path_factory, sqlite_template, make_httpserver):
    """An installation whose text messages go to an HTTP gateway on this machine, which may report back."""
    settings = {
        "PROAPP_SMS_GATEWAY": "http",
        "PROAPP_HTTP_URL": make_httpserver.url_for("/send").replace("localhost", "127.0.0.1"),
        "PROAPP_HTTP_BODY": '{"to": "{to}", "text": "{text}"}',
        "PROAPP_HTTP_REFERENCE": "id",
        "PROAPP_RECEIPT_USER": LOGIN[0],
        "PROAPP_RECEIPT_PASSWORD": LOGIN[1],
    }
    with installed(tmp_path_factory.mktemp("site"), sqlite_template, settings) as one:
        yield one


def report(site, reference: str, status: str) -> int:
    login = "Basic " + b64encode(":".join(LOGIN).encode()).decode()
    body = f'{{"id": "{reference}", "status": "{status}"}}'.encode()
    headers = {"Authorization": login, "Content-Type": "application/json"}
    with urlopen(Request(f"{site.url}/receipts/http", body, headers), timeout=10) as answer:
        return answer.status


def test_the_number_is_verified_when_the_test_message_arrives(site, open_browser, axe, httpserver: HTTPServer):
    httpserver.expect_request("/send").respond_with_json({"id": "m-1"})
    site.people.participant("UME-031", consent_on=site.today, language="sv")
    page = sign_in(open_browser(DESK, locale="en-GB"), site, "berit")
    page.goto("/staff/participants/UME-031/contact")
    expect(page.locator("#reach")).to_be_visible()
    expect(page.locator("main")).to_contain_text("Not verified")
    axe(page)

    page.get_by_role("button", name="Send a test message").click()
    expect(page.locator("main")).to_contain_text("The test message is on its way")
    expect(page.locator("main")).to_contain_text("In the queue")

    done = site.proapp("tick")
    assert done.returncode == 0, done.stderr
    [(request, _)] = httpserver.log
    assert request.get_json()["to"] == "+46701740605"
    assert "+46701740605" not in done.stdout + done.stderr

    assert report(site, "m-1", "delivered") == report(site, "m-1", "delivered") == 204
    page.reload()
    expect(page.locator("main")).to_contain_text(re.compile(f"Verified a message arrived .*{system_clock().year}"))
    axe(page)
    picture(page, "staff-contact-verified-en-1280")
    page.set_viewport_size(PHONE)
    no_sideways_scrolling(page)
    picture(page, "staff-contact-verified-en-390")
