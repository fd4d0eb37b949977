"""Small glasses for the tests of the data package."""

from dataclasses import replace

import numpy as np
import pytest

from tf_symgnn.data import Glass


@pytest.fixture
def make_glass():
    """Return a function that makes a glass of five atoms in a triclinic box, with any field replaced."""

    def make(**fields) -> Glass:
        rng = np.random.default_rng(0)
        glass = Glass(
            positions=rng.uniform(0.0, 8.0, (5, 3)),
            cell=[[8.0, 0.0, 0.0], [1.0, 9.0, 0.0], [-2.0, 0.5, 10.0]],
            pbc=[True, True, True],
            species=["Zr", "Cu", "Cu", "Zr", "Ag"],
            barrier=rng.normal(1.8, 0.3, 5),
            source="glass.xyz",
        )
        return replace(glass, **fields)

    return make


@pytest.fixture
def save_npz(tmp_path):
    def save_npz(**changes):
        arrays = {"positions": np.eye(3), "species": np.array(["Cu", "Zr", "Cu"]), "cell": np.diag([4.0, 5.0, 6.0])}
        np.savez(tmp_path / "glass.npz", **{k: v for k, v in (arrays | changes).items() if v is not None})
        return tmp_path / "glass.npz"

    return save_npz
