"""Headless Chromium, which draws without a GPU, and what it draws."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.image import imread

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium")
PATIENCE = 60_000  # ms
# Chromium has no sandbox when it runs as root.
_FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]

needs_browser = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser without windows."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        yield browser
        browser.close()


def picture(page: Page, canvas: str) -> np.ndarray:
    """Return what a canvas shows as [height, width, 3] from 0 to 1."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return imread(io.BytesIO(page.locator(canvas).screenshot()))[..., :3]


def colored(picture: np.ndarray) -> np.ndarray:
    """Return [height, width], whether a pixel shows an atom or a bond: background, box and text are gray."""
    return np.ptp(picture, axis=2) > 0.12
