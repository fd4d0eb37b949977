"""Importing the package: it does not import TensorFlow, and it selects Keras 2."""

import os
import subprocess
import sys


def python(code: str, **environment: str) -> subprocess.CompletedProcess:
    clean = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
    return subprocess.run([sys.executable, "-c", code], env=clean | environment, capture_output=True, text=True)


def test_the_import_does_not_import_tensorflow():
    code = "import sys, tf_symgnn; assert tf_symgnn.Glass and 'tensorflow' not in sys.modules"
    assert python(code).returncode == 0


def test_keras_2_is_selected_for_a_later_import_of_tensorflow():
    code = "import tf_symgnn, tensorflow as tf; assert tf.keras.__name__.startswith('tf_keras')"
    assert python(code).returncode == 0


def test_an_earlier_import_of_keras_3_is_refused_with_a_remedy():
    finished = python("import tensorflow as tf; tf.keras.layers; import tf_symgnn")
    assert finished.returncode == 1
    last = finished.stderr.splitlines()[-1]
    assert last.startswith("ImportError") and "TF_USE_LEGACY_KERAS=1" in last


def test_a_request_for_keras_3_is_refused():
    finished = python("import tf_symgnn", TF_USE_LEGACY_KERAS="0")
    assert finished.returncode == 1 and "ImportError" in finished.stderr


def test_unknown_names_are_attribute_errors():
    *_, last = python("import tf_symgnn; tf_symgnn.nonsense").stderr.splitlines()
    assert last.startswith("AttributeError: ") and "nonsense" in last
