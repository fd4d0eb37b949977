"""Importing the package: quick, free of TensorFlow, and sure of Keras 2."""

import os
import subprocess
import sys


def python(code: str, **environment: str) -> subprocess.CompletedProcess:
    clean = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
    return subprocess.run([sys.executable, "-c", code], env=clean | environment, capture_output=True, text=True)


def test_import_is_free_of_tensorflow():
    code = "import sys, tf_symgnn; assert tf_symgnn.Glass and 'tensorflow' not in sys.modules"
    assert python(code).returncode == 0


def test_keras_2_is_chosen_for_a_tensorflow_imported_later():
    code = "import tf_symgnn, tensorflow as tf; assert tf.keras.__name__.startswith('tf_keras')"
    assert python(code).returncode == 0


def test_keras_3_loaded_before_is_refused_with_what_to_do():
    finished = python("import tensorflow as tf; tf.keras.layers; import tf_symgnn")
    assert finished.returncode == 1
    last = finished.stderr.splitlines()[-1]
    assert last.startswith("ImportError") and "TF_USE_LEGACY_KERAS=1" in last


def test_keras_3_asked_for_is_refused():
    finished = python("import tf_symgnn", TF_USE_LEGACY_KERAS="0")
    assert finished.returncode == 1 and "ImportError" in finished.stderr


def test_unknown_names_are_attribute_errors():
    assert "has no attribute 'nonsense'" in python("import tf_symgnn; tf_symgnn.nonsense").stderr
