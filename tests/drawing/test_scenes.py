"""Scenes on a page in headless Chromium: what is drawn, at which pixel, in which color."""

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser import colored, needs_browser, picture
from tf_symgnn.drawing import Bonds, Scene, colors_of, scenes_html

BLUE, RED = [0.1, 0.2, 0.9], [0.9, 0.1, 0.1]
CLOSING = "</script><b>"


def scene(name: str, ends: np.ndarray, *, radius: float) -> Scene:
    """Return two blue atoms, and a red bond between them."""
    return Scene(
        name=name,
        positions=ends,
        radii=np.array([0.5, 0.5]),
        colors=np.array([BLUE, BLUE]),
        labels=[f"first of {name}", f"second of {name}"],
        bonds=Bonds(ends[:1], ends[1:], np.array([radius]), np.array([RED])),
    )


def test_a_record_has_what_the_script_reads():
    record = scene("a", np.array([[0.0, 0, 0], [3.00049, 0, 0]]), radius=0.2).record()
    assert record["positions"] == [[0, 0, 0], [3, 0, 0]] and record["labels"] == ["first of a", "second of a"]
    assert record["bonds"] == [{"from": [0, 0, 0], "to": [3, 0, 0], "radius": 0.2, "color": RED}]


def test_elements_have_colors_by_symbol():
    colors = colors_of(["Zr", "Cu", "Zr"])
    assert list(colors) == ["Cu", "Zr"] and colors["Cu"][0] > colors["Cu"][1] > colors["Cu"][2]


def test_text_of_a_scene_cannot_become_html():
    page = scenes_html([scene(CLOSING, np.eye(3)[:2], radius=0.1)], ["Cu"])
    assert CLOSING not in page and page.count("</script>") == 2


class TestDrawn:
    pytestmark = needs_browser

    @pytest.fixture
    def page(self, browser, tmp_path):
        """A page with two scenes, which must log no error."""
        far = np.array([[-3.0, 0, 0], [3.0, 0, 0]])
        scenes = [scene("thin", far, radius=0.1), scene(CLOSING, far, radius=0.3)]
        html = f'<!DOCTYPE html><html><body style="height:4000px">{scenes_html(scenes, ["Cu", "Zr"])}</body></html>'
        (tmp_path / "page.html").write_text(html)
        page, errors = browser.new_page(viewport={"width": 900, "height": 700}), []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto((tmp_path / "page.html").as_uri())
        yield page
        page.close()
        assert errors == []

    def test_a_red_bond_joins_two_blue_atoms(self, page):
        shown = picture(page, "canvas")
        rows, columns = np.nonzero(colored(shown))
        middle = shown[int(rows.mean()), int(columns.mean())]
        assert middle.argmax() == 0 and middle[0] > middle[1] + 0.3
        for end in (columns.argmin(), columns.argmax()):
            step = 8 if end == columns.argmin() else -8
            assert shown[rows[end], columns[end] + step].argmax() == 2

    def test_the_menu_selects_a_scene_with_a_thicker_bond(self, page):
        thin = picture(page, "canvas")
        page.select_option("select", index=1)
        thick = picture(page, "canvas")
        red = [((shown[..., 0] > shown[..., 2] + 0.2) & colored(shown)).sum() for shown in (thin, thick)]
        assert 2.5 * red[0] < red[1] < 3.5 * red[0]
        rows, columns = np.nonzero(colored(thick))
        page.locator("canvas").hover(position={"x": int(columns.min()) + 8, "y": int(rows[columns.argmin()])})
        expect(page.locator("output")).to_have_text(f"first of {CLOSING}")

    def test_the_wheel_scrolls_the_page_until_the_scene_is_selected(self, page):
        page.locator("canvas").hover()
        before = picture(page, "canvas")
        page.mouse.wheel(0, 100)
        page.wait_for_function("scrollY > 0")
        page.evaluate("scrollTo(0, 0)")
        np.testing.assert_allclose(picture(page, "canvas"), before, atol=0.01)
        page.locator("canvas").click(position={"x": 5, "y": 5})
        page.mouse.wheel(0, -200)
        assert colored(picture(page, "canvas")).sum() > 1.2 * colored(before).sum()
