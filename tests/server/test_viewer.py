"""The viewer in headless Chromium: open a file, draw its atoms, slice them, download the barriers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import ase.io
import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread
from playwright.sync_api import Page, expect

from tests import browser as chromium
from tests.browser import PATIENCE, colored, needs_browser
from tests.conftest import SPECIES, random_glass
from tests.server.servers import in_thread
from tf_symgnn import names
from tf_symgnn.data import Glass, write_glasses
from tf_symgnn.domain.ranges import TrainingDomain
from tf_symgnn.server.app import Service
from tf_symgnn.server.workers import Limits

pytestmark = needs_browser


class Ramp:
    """A substitute for a model, whose barriers are 1 eV + 0.1 eV/A * x."""

    version, species, symbols, cutoff, reach = 1, list(SPECIES), ["Cu", "Zr"], 5.0, 5.0
    metadata = {"model": "ramp", "cutoff": 5.0, "domain": TrainingDomain(barrier=(0.0, 10.0)).record()}

    def predict(self, signature: str, inputs: dict) -> dict:
        return {names.ENERGY_BARRIER: 1.0 + 0.1 * inputs["positions"][:, 0]}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with in_thread(Service(Ramp(), "symgnn", Limits()).app()) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def page(browser, address) -> Iterator[Page]:
    """The viewer before a file is opened; it must neither log errors nor send requests to other servers."""
    page = browser.new_page(viewport={"width": 1000, "height": 700})
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    errors, urls = [], []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: urls.append(request.url))
    page.goto(address)
    expect(page.locator("#model")).to_have_text("symgnn (ramp), version 1 · species Cu, Zr · cutoff 5 Å")
    yield page
    page.close()
    assert all(url.startswith((address, "data:", "blob:")) for url in urls), urls
    assert [text for text in errors if "400 (Bad Request)" not in text] == []


def extxyz(glass: Glass, tmp_path) -> bytes:
    write_glasses(tmp_path / "written.xyz", [glass], overwrite=True)
    return (tmp_path / "written.xyz").read_bytes()


def open_file(page: Page, name: str, content: bytes) -> None:
    page.set_input_files("#file", {"name": name, "mimeType": "application/octet-stream", "buffer": content})
    page.wait_for_selector("html[data-state=ready], html[data-state=error]")


def picture(page: Page) -> np.ndarray:
    """Return the canvas as [height, width, 3] from 0 to 1, without the elements above it."""
    above = "#stage > p, #empty, #legend"
    page.evaluate(f"() => document.querySelectorAll('{above}').forEach((e) => {{ e.style.opacity = 0; }})")
    return chromium.picture(page, "#atoms")


def set_slice(page: Page, percent: float) -> None:
    page.locator("#slice").evaluate(f"(s) => {{ s.value = {percent}; s.dispatchEvent(new Event('input')); }}")


def drawn(page: Page) -> float:
    """Return the fraction of the canvas that atoms cover."""
    return float(colored(picture(page)).mean())


def test_a_dropped_file_is_drawn_with_statistics_and_a_download(page, tmp_path):
    expect(page.locator("#empty")).to_be_visible()
    expect(page.locator("#limits")).to_contain_text("50,000 atoms of Cu, Zr")
    before = drawn(page)
    glass = random_glass(80, 60)
    content = extxyz(glass, tmp_path).decode()
    page.evaluate(
        """(content) => { const transfer = new DataTransfer();
        transfer.items.add(new File([content], "mine.xyz"));
        document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true })); }""",
        content,
    )
    page.wait_for_selector("html[data-state=ready]")
    assert before < 0.01 and drawn(page) > 0.1
    expect(page.locator("#empty")).to_be_hidden()
    expect(page.locator("#name")).to_have_text("mine.xyz")
    barrier = 1.0 + 0.1 * glass.positions[:, 0]
    rows = page.locator("#statistics tbody tr").all_inner_texts()
    for row, label in zip(rows, ("Cu", "Zr", "all"), strict=True):
        values = barrier[glass.species == label] if label != "all" else barrier
        assert row.split() == [label, str(len(values)), f"{values.mean():.3f}", f"{values.std():.3f}"]
    expect(page.locator("#lowest")).to_have_text(f"{barrier.min():.3f}")
    expect(page.locator("#highest")).to_have_text(f"{barrier.max():.3f}")
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.suggested_filename == "mine-barriers.xyz"
    download.value.save_as(tmp_path / "back.xyz")
    atoms = ase.io.read(tmp_path / "back.xyz")
    np.testing.assert_allclose(atoms.arrays[names.ENERGY_BARRIER], barrier, atol=1e-5)
    np.testing.assert_allclose(atoms.positions, glass.positions, atol=1e-6)


def test_a_structure_outside_the_training_data_has_a_warning_until_the_next_file(page, tmp_path):
    glass = random_glass(80, 60)
    apart = np.where(np.arange(60) < 30, 400.0, 0.0)[:, np.newaxis] * [1, 0, 0]  # two clusters
    far = replace(glass, positions=glass.positions + apart, pbc=[False] * 3)
    open_file(page, "far.xyz", extxyz(far, tmp_path))
    expect(page.locator("#warning")).to_contain_text("This structure is outside the training data")
    open_file(page, "near.xyz", extxyz(glass, tmp_path))
    expect(page.locator("#name")).to_have_text("near.xyz")
    expect(page.locator("#warning")).to_be_hidden()


def test_a_slice_hides_the_atoms_beyond_it(page, tmp_path):
    glass = random_glass(81, 200)
    open_file(page, "a.xyz", extxyz(glass, tmp_path))
    expect(page.locator("#shown")).to_have_text("200 atoms shown")
    whole = drawn(page)
    along = glass.positions[:, 0]
    for percent in (50, 10):
        set_slice(page, percent)
        most = along.min() + percent / 100 * np.ptp(along)
        expect(page.locator("#shown")).to_have_text(f"{(along <= most + 1e-4).sum()} atoms shown")
        part = drawn(page)
        assert 0 < part < whole
        whole = part
    page.check("#flip")
    most = along.max() - 0.1 * np.ptp(along)
    expect(page.locator("#shown")).to_have_text(f"{(along >= most - 1e-4).sum()} atoms shown")


def test_atoms_have_the_color_of_their_barrier_and_show_it_under_the_pointer(page, tmp_path):
    """Two atoms at the ends of the range have the colors of the ends of the color map, except for light and shade."""
    glass = Glass(np.array([[2.0, 5, 5], [8.0, 5, 5]]), np.eye(3) * 10, (True,) * 3, ["Cu", "Zr"], None, "two")
    open_file(page, "two.xyz", extxyz(glass, tmp_path))
    colors = picture(page)
    covered = np.argwhere(colored(colors))
    middle = covered[:, 1].mean()
    for k, (side, fraction) in enumerate(((covered[:, 1] < middle, 0.0), (covered[:, 1] > middle, 1.0))):
        row, column = covered[side].mean(axis=0)
        color = colors[int(row), int(column)]
        expected = np.array(matplotlib.colormaps["viridis"](fraction)[:3])
        # Highlights and haze add white, which the subtraction of the minimum removes; shade is a factor.
        color, expected = color - color.min(), expected - expected.min()
        assert color @ expected > 0.99 * np.linalg.norm(color) * np.linalg.norm(expected)
        page.locator("#atoms").hover(position={"x": column, "y": row})
        symbol, barrier, x = (("Cu", "1.200", "2.00"), ("Zr", "1.800", "8.00"))[k]
        expect(page.locator("#atom")).to_have_text(f"{symbol}, atom {k}: {barrier} eV at ({x}, 5.00, 5.00) Å")


def test_an_example_opens_while_a_text_states_what_is_done(page):
    page.evaluate(
        """() => { window.texts = [];
        const working = document.getElementById("working");
        new MutationObserver(() => { if (!working.hidden) window.texts.push(working.textContent); })
            .observe(working, { attributes: true }); }"""
    )
    page.click("#example")
    page.wait_for_selector("html[data-state=ready]")
    assert page.evaluate("window.texts") == ["Reading cu64zr36-1e12-1.xyz.xz and predicting its barriers …"]
    expect(page.locator("#working")).to_be_hidden()
    expect(page.locator("#name")).to_have_text("cu64zr36-1e12-1.xyz.xz")
    expect(page.locator("#summary")).to_have_text("500 atoms")


TYPES = b"""a title

2 atoms
3 atom types
0 9 xlo xhi
0 9 ylo yhi
0 9 zlo zhi

Masses

1 1
2 1
3 1

Atoms

1 1 1 1 1
2 3 3 3 3
"""


def test_elements_of_lammps_types_are_asked_for(page):
    page.set_input_files("#file", {"name": "a.data", "mimeType": "", "buffer": TYPES})
    expect(page.locator("#types")).to_contain_text("a.data has numbers in place of symbols")
    page.click("#cancel")
    expect(page.locator("#types")).to_be_hidden()
    expect(page.locator("#empty")).to_be_visible()
    page.set_input_files("#file", {"name": "a.data", "mimeType": "", "buffer": TYPES})
    first, second = (page.locator(f"#choices select[data-type='{number}']") for number in (1, 3))
    assert (first.input_value(), second.input_value(), page.locator("#choices select").count()) == ("", "", 2)
    page.click("#types .button")
    expect(page.locator("#types")).to_be_visible()  # since nothing is chosen
    first.select_option("Zr")
    second.select_option("Cu")
    page.click("#types .button")
    page.wait_for_selector("html[data-state=ready]")
    assert [row.split()[:2] for row in page.locator("#statistics tbody tr").all_inner_texts()] == [
        ["Cu", "1"],
        ["Zr", "1"],
        ["all", "2"],
    ]
    expect(page.locator("#notices")).to_have_text("a.data: Masses: found 1 for every type; they are ignored")


def test_colors_of_species_and_of_a_range_and_the_picture(page, tmp_path):
    glass = Glass(np.array([[2.0, 5, 5], [8.0, 5, 5]]), np.eye(3) * 10, (True,) * 3, ["Cu", "Zr"], None, "two")
    open_file(page, "two.xyz", extxyz(glass, tmp_path))
    expect(page.locator("#scale")).to_be_visible()
    expect(page.locator("#low")).to_have_value("1.200")
    yellow = picture(page)
    page.fill("#high", "5")
    page.locator("#high").blur()
    expect(page.locator("#highest")).to_have_text("5.000")
    blue = picture(page)
    assert np.abs(yellow - blue).max() > 0.3
    page.fill("#low", "1.5")
    page.locator("#low").blur()
    expect(page.locator("#lowest")).to_have_text("≤ 1.500")
    page.fill("#high", "1")
    page.locator("#high").blur()
    expect(page.locator("#high")).to_have_value("5.000")  # the range would be empty
    page.click("#whole")
    expect(page.locator("#highest")).to_have_text("1.800")
    np.testing.assert_allclose(picture(page), yellow, atol=0.02)
    page.check("input[value=species]")
    expect(page.locator("#swatches")).to_have_text("CuZr")
    expect(page.locator("#scale")).to_be_hidden()
    colors = picture(page)
    covered = np.argwhere(colored(colors))
    left = covered[covered[:, 1] < covered[:, 1].mean()].mean(axis=0).astype(int)
    red, green, blue = colors[left[0], left[1]]
    assert red > green > blue  # copper
    with page.expect_download() as download:
        page.click("#picture")
    assert download.value.suggested_filename == "two-barriers.png"
    download.value.save_as(tmp_path / "two.png")
    saved = imread(tmp_path / "two.png")[..., :3]
    np.testing.assert_allclose(saved.shape, colors.shape, atol=1)  # of heights with a fraction
    np.testing.assert_allclose(saved[left[0], left[1]], (red, green, blue), atol=0.02)


def test_columns_of_the_file_are_colors_and_stay_in_the_download(page, tmp_path):
    """As the contributions in `atoms.xyz` of an explanation; without columns there is nothing to choose."""
    glass = replace(random_glass(84, 30), barrier=None)
    open_file(page, "plain.xyz", extxyz(glass, tmp_path))
    expect(page.locator("#other")).to_be_hidden()
    softness, order = -glass.positions[:, 0], np.arange(30.0)
    columns = {"contribution_softness": softness, "order": order, "vectors": glass.positions}
    with_columns = replace(glass, columns=columns)
    open_file(page, "atoms.xyz", extxyz(with_columns, tmp_path))
    assert page.locator("#column option").all_inner_texts() == ["contribution_softness", "order"]
    assert page.evaluate("(panel => panel.scrollWidth <= panel.clientWidth)(document.querySelector('aside'))")
    before = picture(page)
    page.check("input[value=column]")
    expect(page.locator("#lowest")).to_have_text(f"{softness.min():.3f}")
    expect(page.locator("#highest")).to_have_text(f"{softness.max():.3f}")
    assert page.locator("#scale .unit").inner_text() == "eV"
    assert np.abs(picture(page) - before).max() > 0.3  # barriers rise with x, and these values fall
    page.select_option("#column", "order")
    expect(page.locator("#highest")).to_have_text("29.000")
    assert page.locator("#scale .unit").inner_text() == ""
    page.check("input[value=barrier]")
    expect(page.locator("#highest")).to_have_text(f"{1.0 + 0.1 * glass.positions[:, 0].max():.3f}")
    page.select_option("#column", "order")  # which also shows it
    with page.expect_download() as download:
        page.click("#download")
    download.value.save_as(tmp_path / "back.xyz")
    np.testing.assert_allclose(ase.io.read(tmp_path / "back.xyz").arrays["order"], order)
    open_file(page, "plain.xyz", extxyz(glass, tmp_path))
    expect(page.locator("#other")).to_be_hidden()
    expect(page.locator("input[value=barrier]")).to_be_checked()


def test_the_scene_rotates_by_mouse_and_by_keys(page, tmp_path):
    open_file(page, "a.xyz", extxyz(random_glass(82, 50), tmp_path))
    first = picture(page)
    box = page.locator("#atoms").bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 300)
    page.mouse.down()
    page.mouse.move(box["x"] + 400, box["y"] + 340, steps=4)
    page.mouse.up()
    dragged = picture(page)
    assert (np.abs(dragged - first) > 0.05).any(axis=2).mean() > 0.05
    page.locator("#atoms").focus()
    page.keyboard.press("ArrowLeft")
    assert (np.abs(picture(page) - dragged) > 0.05).any(axis=2).mean() > 0.02
    page.locator("#atoms").dblclick(position={"x": 5, "y": 5})
    page.mouse.move(5, 5)
    assert (np.abs(picture(page) - first) > 0.05).any(axis=2).mean() < 0.005


def test_an_error_is_shown_and_the_last_structure_stays(page, tmp_path):
    open_file(page, "a.xyz", extxyz(random_glass(83, 20), tmp_path))
    name = "<img src=x onerror=alert(1)>.xyz"
    open_file(page, name, b"not a number\n")
    expect(page.locator("#message")).to_contain_text(f"{name}: number of atoms: found 'not a number'")
    assert page.locator("#message img").count() == 0
    expect(page.locator("#name")).to_have_text("a.xyz")
    open_file(page, "a.pickle", b"x")
    expect(page.locator("#message")).to_contain_text("a.pickle: suffix: found .pickle")
    open_file(page, name, extxyz(random_glass(80, 60), tmp_path))
    expect(page.locator("#message")).to_be_hidden()
    expect(page.locator("#name")).to_have_text(name)
    assert page.locator("#name img").count() == 0


def test_a_glass_of_eight_thousand_atoms_is_drawn_and_sliced(page, tmp_path):
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.arange(20.0)] * 3, indexing="ij"), -1).reshape(-1, 3)
    species = np.where(rng.random(8000) < 0.64, "Cu", "Zr")
    glass = Glass(2.5 * grid + rng.normal(0, 0.1, (8000, 3)), np.eye(3) * 50, (True,) * 3, species, None, "large")
    open_file(page, "large.xyz", extxyz(glass, tmp_path))
    expect(page.locator("#summary")).to_have_text("8,000 atoms")
    whole = drawn(page)
    set_slice(page, 30)
    assert 0 < drawn(page) < whole


def test_the_page_reports_missing_webgl(browser, address, tmp_path):
    page = browser.new_page()
    page.add_init_script(
        "HTMLCanvasElement.prototype.getContext = ((own) => function (kind, ...rest) "
        "{ return kind === 'webgl2' ? null : own.call(this, kind, ...rest); })"
        "(HTMLCanvasElement.prototype.getContext)"
    )
    page.goto(address)
    expect(page.locator("#message")).to_have_text("this browser does not support WebGL 2", timeout=PATIENCE)
    expect(page.locator("#model")).not_to_be_empty(timeout=PATIENCE)
    page.set_input_files("#file", {"name": "a.xyz", "mimeType": "", "buffer": extxyz(random_glass(85, 9), tmp_path)})
    page.wait_for_selector("html[data-state=ready]", timeout=PATIENCE)
    expect(page.locator("#summary")).to_have_text("9 atoms")
    page.close()
