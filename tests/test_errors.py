"""The error that invalid input raises."""

import pickle
from pathlib import Path

from tf_symgnn.errors import InputError


def test_an_error_of_another_process_is_the_same_error():
    """Processes of a pool send exceptions to their parent by `pickle`."""
    error = InputError(Path("a.xyz"), "cell", "shape (2, 3)", "three vectors")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is InputError and str(again) == str(error)
    assert (again.path, again.field, again.found, again.expected) == (
        Path("a.xyz"),
        "cell",
        "shape (2, 3)",
        "three vectors",
    )
