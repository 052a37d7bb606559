"""Every page, in both themes and sizes, closed and with everything open, has nothing that keeps readers out."""

import browser as look
import pytest
from test_site import CONTENTS

@pytest.mark.parametrize("name", [*CONTENTS, "search", "404"])
@pytest.mark.parametrize("size", look.SIZES)
def test_nothing_on_a_page_keeps_readers_out(site_url, windows, axe, name, size):
    assert look.barriers(windows[size, "light"], f"{site_url}{name}.html", axe) == []


def test_a_page_follows_the_theme_of_the_system_so_that_both_were_seen(site_url, page):
    page.goto(f"{site_url}{CONTENTS[0]}.html")
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.wait_for_function("theme => document.documentElement.dataset.theme === theme", arg=theme)


@pytest.mark.parametrize("size", look.SIZES)
@pytest.mark.parametrize("button", [".primary-toggle", ".secondary-toggle", ".search-button__button", ".dropdown-toggle"])
def test_nothing_that_a_button_opens_keeps_readers_out(site_url, windows, axe, button, size):
    page = windows[size, "dark"].new_page()
    page.goto(f"{site_url}{CONTENTS[2]}.html")
    shown = page.locator(button).locator("visible=true")
    if shown.count():
        shown.first.click()
        page.evaluate(look.SMALLER)
        page.evaluate(axe)
        assert page.evaluate(look.AXE, look.ALL) == []
    page.close()
