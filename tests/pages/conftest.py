"""A window of a real browser, which may fetch nothing but files and local pages."""

from urllib.parse import urlsplit

import pytest


@pytest.fixture
def tab(chromium):
    """A window whose errors and forbidden requests fail the test."""
    context = chromium.new_context(viewport={"width": 1200, "height": 750})
    page, wrong = context.new_page(), []

    def guard(route):
        address = urlsplit(route.request.url)
        local = address.scheme in ("file", "blob", "data")
        if local or address.hostname in ("127.0.0.1", "localhost"):
            route.continue_()
        else:
            wrong.append(route.request.url)
            route.abort()

    context.route("**", guard)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    context.close()
    assert wrong == []
