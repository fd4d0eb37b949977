"""Take the README's screenshots of the viewer in headless Chromium.

    xz -dc tf_symgnn/data/cuzr/cu64zr36-1e11-1.xyz.xz > cu64zr36-1e11-1.xyz
    python benchmarks/viewer.py cuzr cu64zr36-1e11-1.xyz

The first argument is the name of a model that ships, a run folder or an export. Requires
`pip install ".[serve]" playwright` and Chromium.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

FIGURES = Path(__file__).parent / "figures"
FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


def take_pictures(page: Page, address: str, glass: str) -> None:
    """Open a glass and take a screenshot of all atoms, then one of a rotated slice with the pointer on an atom."""
    page.set_default_timeout(120_000)
    page.goto(address)
    expect(page.locator("#model")).not_to_be_empty(timeout=120_000)
    page.set_input_files("#file", glass)
    page.wait_for_selector("html[data-state=ready]")
    page.mouse.move(640, 5)
    page.screenshot(path=FIGURES / "viewer.png")
    page.locator("#slice").evaluate("(slice) => { slice.value = 60; slice.dispatchEvent(new Event('input')); }")
    page.locator("#atoms").focus()
    for key in ["ArrowLeft"] * 4 + ["+"]:
        page.keyboard.press(key)
    page.locator("#atoms").hover(position={"x": 450, "y": 360})
    page.screenshot(path=FIGURES / "viewer_slice.png")


def main() -> None:
    """Serve the model and take the screenshots."""
    model, glass = sys.argv[1:]
    command = [sys.executable, "-m", "tf_symgnn.cli", "serve", model, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server, sync_playwright() as playwright:
        try:
            address = server.stdout.readline().split()[-1]
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            take_pictures(browser.new_page(viewport={"width": 1200, "height": 800}), address, glass)
            browser.close()
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
