"""Take the README's screenshots of the viewer in headless Chromium.

    tf-symgnn simulate glass --composition Cu64Zr36 --atoms 250 --quench-rate 1e14 --seed 0 --output glass.xyz
    python benchmarks/viewer.py EXPORT glass.xyz

EXPORT is a folder that `tf-symgnn export` wrote. Requires `pip install ".[serve]" playwright` and Chromium.
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
    """Serve the export and take the screenshots."""
    export, glass = sys.argv[1:]
    command = [sys.executable, "-m", "tf_symgnn.cli", "serve", export, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server, sync_playwright() as playwright:
        try:
            address = server.stdout.readline().split()[-1]
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            take_pictures(browser.new_page(viewport={"width": 1200, "height": 770}), address, glass)
            browser.close()
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
