"""Atoms and bonds in 3D on web pages: WebGL scripts that the viewer loads and reports contain."""

from tf_symgnn.drawing.scenes import SCRIPTS, Bonds, Scene, colors_of, scenes_html

__all__ = ["SCRIPTS", "Bonds", "Scene", "colors_of", "scenes_html"]
