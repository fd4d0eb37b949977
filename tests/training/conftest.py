"""Training takes much memory: each test releases it."""

from collections.abc import Iterator

import pytest

from tf_symgnn import runtime


@pytest.fixture(autouse=True)
def memory_of_a_test() -> Iterator[None]:
    """Release the graphs of a test's models."""
    yield
    runtime.release_traces()
