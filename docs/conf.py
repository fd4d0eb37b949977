"""Configuration of Sphinx: `sphinx-build -W docs build/docs` makes the documentation from this checkout."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
# Of the processes that execute tutorials, too.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

import tf_symgnn  # selects Keras 2 before autodoc imports TensorFlow

project = "tf_symgnn"
author = "The tf_symgnn authors"
copyright = "2026, the tf_symgnn authors. Licensed under Apache-2.0"
version = release = tf_symgnn.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "reference"]
html_theme = "furo"
html_title = f"tf_symgnn {version}"
html_static_path = ["_static"]
html_css_files = ["code.css"]
html_theme_options = {"navigation_with_keys": True}
html_show_sphinx = False
html_math_renderer = "mathml"
smartquotes = False  # it takes `--option` for a dash

myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 4

# Tutorials are executed at each build and may use files of the repository. A cell that fails ends the build.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 600  # seconds of a cell, on a busy machine
nb_merge_streams = True
nb_output_stderr = "remove"  # progress bars
suppress_warnings = ["myst-nb.lexer"]  # of cells that are not executed, without a language

# Docstrings write code in single backticks.
default_role = "literal"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 90
napoleon_numpy_docstring = False
