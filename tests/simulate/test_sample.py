"""The glasses that come with the package: what they claim to be, and at rest by the potential that made them."""

import re

import ase
import ase.io
import numpy as np
import pytest

from tests.conftest import SAMPLE
from tf_symgnn import names
from tf_symgnn.data import read_glasses
from tf_symgnn.simulate.barriers import EVENTS, REST, SPREAD
from tf_symgnn.simulate.engine import Forces, Potential

FILES = sorted(SAMPLE.glob("*.xyz"))


@pytest.fixture(scope="module", params=FILES, ids=lambda path: path.stem)
def glass(request) -> ase.Atoms:
    return ase.io.read(request.param)


def test_every_atom_has_its_events(glass):
    assert len(glass) >= 300 and glass.get_chemical_symbols().count("Cu") == round(0.64 * len(glass))
    assert glass.arrays[EVENTS].min() >= 4
    assert (glass.arrays[names.ENERGY_BARRIER] > 0).all() and (glass.arrays[SPREAD] > 0).all()


def test_it_says_how_it_was_made(glass):
    assert glass.info["quench_rate"] in (1e12, 1e13)
    said = {"melt_temperature", "quench_seed", "potential", "made_by", "events", "push_radius", "search_seed"}
    assert said < glass.info.keys()


def test_it_is_at_rest(glass):
    forces = Forces(glass, Potential())(glass.positions)[1]
    assert np.linalg.norm(forces, axis=1).max() < REST


def test_they_are_independent():
    seeds = [ase.io.read(path).info["quench_seed"] for path in FILES]
    assert len(set(seeds)) == len(seeds)


def test_the_readme_lists_them_and_no_others():
    text = (SAMPLE / "README.md").read_text()
    assert re.findall(r"^\| `(\w+\.xyz)` ", text, re.MULTILINE) == [path.name for path in FILES]
    made = re.findall(r"^tf-symgnn simulate glass .* --seed (\d+) --output glasses/(\w+)\.xyz$", text, re.MULTILINE)
    assert made == [(str(ase.io.read(path).info["quench_seed"]), path.stem) for path in FILES]


def test_there_are_two_at_each_rate():
    rates = sorted(ase.io.read(path).info["quench_rate"] for path in FILES)
    assert rates == [1e12, 1e12, 1e13, 1e13]


def test_there_is_one_to_train_on_and_one_to_validate():
    splits = read_glasses(SAMPLE)
    assert splits[names.TRAIN] and splits[names.VALIDATION]


def test_they_are_small():
    assert sum(path.stat().st_size for path in SAMPLE.iterdir()) < 2 * 2**20
