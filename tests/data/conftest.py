"""Small glasses for the tests of the data package."""

import numpy as np
import pytest

from tf_symgnn.data import Glass


@pytest.fixture
def make_glass():
    """A function that makes a glass of five atoms in a tilted box, with fields replaced at will."""

    def make(**fields) -> Glass:
        rng = np.random.default_rng(0)
        defaults = {
            "positions": rng.uniform(0.0, 8.0, (5, 3)),
            "cell": [[8.0, 0.0, 0.0], [1.0, 9.0, 0.0], [-2.0, 0.5, 10.0]],
            "pbc": [True, True, True],
            "species": ["Zr", "Cu", "Cu", "Zr", "Ag"],
            "barrier": rng.normal(1.8, 0.3, 5),
            "source": "glass.xyz",
        }
        return Glass(**defaults | fields)

    return make


@pytest.fixture
def save_npz(tmp_path):
    def save_npz(**changes):
        arrays = {"positions": np.eye(3), "species": np.array(["Cu", "Zr", "Cu"]), "cell": np.diag([4.0, 5.0, 6.0])}
        np.savez(tmp_path / "glass.npz", **{k: v for k, v in (arrays | changes).items() if v is not None})
        return tmp_path / "glass.npz"

    return save_npz
