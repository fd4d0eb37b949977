"""OVITO's modifier with objects in place of OVITO's; `ovito_by_hand.py` runs it in OVITO."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import tf_symgnn
from tests.conftest import TRICLINIC, random_glass
from tf_symgnn.data import InputError

FILE = Path(__file__).resolve().parents[2] / "integrations" / "ovito_energy_barrier.py"

pytestmark = pytest.mark.filterwarnings("ignore::tf_symgnn.ExtrapolationWarning")


def load_modifier() -> ModuleType:
    """Return the module of the modifier's file."""
    spec = importlib.util.spec_from_file_location("ovito_energy_barrier", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def module(monkeypatch):
    """Return the modifier's module, with the names that it imports from OVITO."""

    def default(value, label):
        return value

    for name, members in {
        "ovito": {},
        "ovito.data": {"DataCollection": object},
        "ovito.modifiers": {"ColorCodingModifier": lambda property: ("color", property)},
        "ovito.pipeline": {"ModifierInterface": object},
        "traits": {},
        "traits.api": {"Bool": default, "Str": default},
    }.items():
        fake = ModuleType(name)
        vars(fake).update(members)
        monkeypatch.setitem(sys.modules, name, fake)
    return load_modifier()


class Types(np.ndarray):
    """OVITO's property of particle types: numbers, and the types with their names."""


class Cell(np.ndarray):
    """OVITO's simulation cell: a matrix [3, 4] whose columns are three cell vectors and the origin."""


def frame(glass, names=("Cu", "Zr")):
    """Return a frame of a glass, of which type 1 is Cu and 2 is Zr, and what the modifier does with it."""
    types = np.where(glass.species == "Cu", 1, 2).view(Types)
    types.types = [SimpleNamespace(id=number, name=name) for number, name in enumerate(names, start=1)]
    cell = np.column_stack([glass.cell.T, glass.origin]).view(Cell)
    cell.pbc = tuple(bool(periodic) for periodic in glass.pbc)
    made = {}
    particles = SimpleNamespace(count=glass.n_atoms, particle_types=types, positions=glass.positions)
    changed = SimpleNamespace(create_property=lambda name, data: made.update({name: data}))
    apply = made.setdefault("applied", []).append
    return SimpleNamespace(particles=particles, particles_=changed, cell=cell, apply=apply), made


def test_barriers_become_a_property_by_which_particles_are_colored(module, finished_run):
    glass = random_glass(1, 40, cell=TRICLINIC, pbc=(True, True, False))
    modifier = module.EnergyBarrierModifier()
    modifier.model = str(finished_run.path)
    data, made = frame(glass)
    assert list(modifier.modify(data)) == [f"Predicting {glass.n_atoms} energy barriers"]
    expected = tf_symgnn.load_model(finished_run.path).predict(glass)
    np.testing.assert_allclose(made["Energy Barrier"], expected, atol=1e-5)
    assert made["applied"] == [("color", "Energy Barrier")]


def test_an_origin_and_a_missing_cell_are_converted(module):
    glass = random_glass(70, 20)
    data, _ = frame(glass)
    data.cell[:, 3] = [1.0, -2.0, 3.0]
    atoms = module.to_ase(data)
    np.testing.assert_array_equal(atoms.cell.array, glass.cell)
    np.testing.assert_array_equal(atoms.get_celldisp().ravel(), [1.0, -2.0, 3.0])
    assert atoms.pbc.all() and atoms.get_chemical_symbols() == glass.species.tolist()
    data.cell = None
    assert not module.to_ase(data).pbc.any()


def test_symbols_of_types_are_asked_for_and_never_guessed(module):
    glass = random_glass(70, 20)
    for names in (("", ""), ("A", "B"), ("X", "Zr")):
        data, _ = frame(glass, names)
        with pytest.raises(InputError, match=r"OVITO: Particle Type: found types \[1.* `species`, as in Cu,Zr"):
            module.to_ase(data)
        assert module.to_ase(data, "Cu, Zr").get_chemical_symbols() == glass.species.tolist()
    data, _ = frame(glass)
    with pytest.raises(InputError, match=r"types \[2\] without"):
        module.to_ase(data, "Cu")
    data.particles.particle_types = None
    with pytest.raises(InputError, match=r"types \[0\] without"):
        module.to_ase(data)
    data.particles = None
    with pytest.raises(InputError, match="OVITO: particles: found none"):
        module.to_ase(data)
