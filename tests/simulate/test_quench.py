"""Melt and quench: a minimum at zero pressure, the same from the same seed; compositions."""

from dataclasses import replace

import numpy as np
import pytest
from ase.data import atomic_masses

from tf_symgnn.data import InputError
from tf_symgnn.simulate import quench as quench_module
from tf_symgnn.simulate.checkpoint import read_checkpoint, write_checkpoint
from tf_symgnn.simulate.engine import Forces, Potential, create_atoms, lammps_instance
from tf_symgnn.simulate.quench import LARGEST_FORCE, LARGEST_PRESSURE, TIMESTEP, Quench, parse_composition, quench_glass


@pytest.mark.parametrize(
    ("formula", "atoms", "counts"),
    [
        ("Cu64Zr36", 300, {"Cu": 192, "Zr": 108}),
        ("Cu64Zr36", 10, {"Cu": 6, "Zr": 4}),
        ("CuZr", 7, {"Cu": 4, "Zr": 3}),
        ("Cu0.5Zr0.5", 8, {"Cu": 4, "Zr": 4}),
        ("Al", 5, {"Al": 5}),
        ("Cu46Zr46Al8", 100, {"Cu": 46, "Zr": 46, "Al": 8}),
    ],
)
def test_compositions(formula, atoms, counts):
    assert parse_composition(formula, atoms) == counts


@pytest.mark.parametrize("formula", ["", "64Cu", "Cu64zr36", "Xx3", "X2", "Cu64-36", "Cu0", "Cu99Zr1"])
def test_what_is_no_composition_of_some_atoms(formula):
    with pytest.raises(InputError, match="composition"):
        parse_composition(formula, 10)


def test_a_quenched_glass_is_a_minimum_at_zero_pressure(small_glass):
    _, forces = Forces(small_glass, Potential())(small_glass.positions)
    assert np.linalg.norm(forces, axis=1).max() < LARGEST_FORCE
    with lammps_instance() as lmp:
        create_atoms(lmp, small_glass, ["Cu", "Zr"], Potential())
        lmp.command("thermo_style custom step press")
        lmp.command("run 0")
        assert abs(lmp.get_thermo("press")) < 2 * LARGEST_PRESSURE
    assert small_glass.get_chemical_symbols().count("Cu") == 10
    assert atomic_masses[29] < small_glass.get_masses().mean() < atomic_masses[40]
    assert 0.055 < len(small_glass) / small_glass.get_volume() < 0.07  # atoms/A^3; published glasses have 0.063
    assert -4.6 < small_glass.info["energy_per_atom"] < -4.2  # eV; published glasses have -4.4


@pytest.mark.slow
def test_the_same_seed_makes_the_same_glass_and_another_one_another(small_glass):
    quench = Quench(parse_composition("Cu64Zr36", 16), rate=1e15, seed=1)
    again = quench_glass(quench)
    np.testing.assert_array_equal(again.positions, small_glass.positions)
    assert again.info == small_glass.info
    other = quench_glass(Quench(quench.composition, rate=1e15, seed=2))
    assert other.info["energy_per_atom"] != again.info["energy_per_atom"]


@pytest.mark.parametrize("seed", [0, 1, 2**31 - 3, 2**31 - 2, 2**32 - 1])
def test_any_seed_is_one_that_lammps_takes(small_glass, seed):
    with lammps_instance() as lmp:
        create_atoms(lmp, small_glass, ["Cu", "Zr"], Potential())
        lmp.command(f"velocity all create 300 {Quench({'Cu': 1}, seed=seed).velocity_seed} loop geom")


def test_what_lammps_refuses_is_an_error_of_the_input():
    with pytest.raises(InputError, match="LAMMPS: command: found .*velocity"), lammps_instance() as lmp:
        lmp.command("velocity all create 300 0")


def test_cooling_takes_as_long_as_its_rate_says():
    melting, cooling = Quench({"Cu": 1}, rate=1e13).steps
    assert melting * TIMESTEP == pytest.approx(50.0)  # ps
    assert cooling * TIMESTEP == pytest.approx((2000 - 10) / 1e13 * 1e12)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("rate", {"rate": 0}),
        ("rate", {"rate": -1e12}),
        ("rate", {"rate": float("inf")}),
        ("rate", {"rate": 1e20}),  # a single step, though the file would state the rate
        ("melt_temperature", {"melt_temperature": 5.0}),  # below the last temperature
        ("melt_temperature", {"melt_temperature": float("inf")}),
        ("final_temperature", {"final_temperature": 0.0}),
        ("seed", {"seed": -1}),
    ],
)
def test_a_quench_that_cannot_be_is_refused(field, values):
    with pytest.raises(InputError, match=f"quench: {field}: found"):
        Quench({"Cu": 1}, **values)


def test_a_quench_that_was_interrupted_continues_to_the_same_glass(tmp_path, monkeypatch):
    monkeypatch.setattr(quench_module, "CHECKPOINT_STEPS", 4000)
    quench = Quench(parse_composition("Cu64Zr36", 16), rate=1e15, seed=1)
    whole = quench_glass(quench)
    checkpoint, calls = tmp_path / "a.checkpoint", []

    def interrupted(*args):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return write_checkpoint(*args)

    with monkeypatch.context() as patch:
        patch.setattr(quench_module, "write_checkpoint", interrupted)
        with pytest.raises(KeyboardInterrupt):
            quench_glass(quench, checkpoint)
    assert read_checkpoint(checkpoint, quench.settings())[0] == 8000
    continued = quench_glass(quench, checkpoint)
    np.testing.assert_array_equal(continued.positions, whole.positions)
    assert continued.info == whole.info


def test_a_checkpoint_that_cannot_be_used_is_refused_in_one_line(tmp_path):
    quench = Quench(parse_composition("Cu64Zr36", 16), seed=1)
    checkpoint = tmp_path / "a.checkpoint"
    write_checkpoint(checkpoint, quench.settings(), 4000, b"state")
    with pytest.raises(InputError, match=r"a\.checkpoint: seed: found 1, expected 2; remove the file"):
        read_checkpoint(checkpoint, replace(quench, seed=2).settings())
    content = checkpoint.read_bytes()
    for damaged, words in ((content[:-1], "damaged data"), (content[10:], "another file"), (b"", "another file")):
        checkpoint.write_bytes(damaged)
        with pytest.raises(InputError, match=words):
            quench_glass(quench, checkpoint)


def test_atoms_that_fly_apart_are_told_in_a_line():
    hot = Quench(parse_composition("Cu64Zr36", 16), rate=1e16, seed=1, melt_temperature=1e9)
    with pytest.raises(InputError, match="quench: melting: found .*[Ll]ost atoms"):
        quench_glass(hot)
