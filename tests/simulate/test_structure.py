"""What glasses and their barriers are like in numbers: a crystal's shells, an ideal gas, labels that are known."""

import json

import numpy as np
import pytest

from tests.conftest import fcc_copper, random_glass
from tf_symgnn.data import Glass
from tf_symgnn.simulate.report import report_glasses
from tf_symgnn.simulate.structure import (
    SHELL,
    barrier_correlation,
    barriers_by_species,
    correlation_by_species,
    radial_distribution,
)


def relabelled(glass: Glass, barrier: np.ndarray) -> Glass:
    return Glass(glass.positions, glass.cell, glass.pbc, glass.species, barrier, glass.source)


def test_radial_distribution_of_fcc_copper_counts_its_shells():
    glass = fcc_copper()
    distance, value = radial_distribution(glass)
    shells = 4 / 3 * np.pi * ((distance + SHELL / 2) ** 3 - (distance - SHELL / 2) ** 3)
    neighbours = value * shells * glass.n_atoms / glass.volume
    for shell, count in ((3.61 / np.sqrt(2), 12), (3.61, 6), (3.61 * np.sqrt(1.5), 24)):
        assert neighbours[np.abs(distance - shell) < SHELL].sum() == pytest.approx(count)
    assert value[distance < 2.4].max() == 0


def test_radial_distribution_of_random_places_is_one_far_away():
    distance, value = radial_distribution(random_glass(0, 600))
    assert value[distance > 4].mean() == pytest.approx(1.0, abs=0.02)


def test_correlation_of_a_wave_follows_the_wave_and_of_noise_is_none():
    glass = random_glass(1, 1500)
    edge = glass.cell[0, 0]
    wave = np.sin(2 * np.pi * glass.positions[:, 0] / edge)
    distance, correlation = barrier_correlation(relabelled(glass, wave))
    k = 2 * np.pi / edge * distance
    np.testing.assert_allclose(correlation, np.sin(k) / k, atol=0.05)  # cos(k x) averaged over directions
    noise = np.random.default_rng(0).normal(size=glass.n_atoms)
    assert np.abs(barrier_correlation(relabelled(glass, noise))[1]).max() < 0.05


def test_by_species():
    glass = random_glass(2, 50)
    copper = glass.species == "Cu"
    barrier = np.where(copper, 1.0, 2.0) + np.linspace(-0.1, 0.1, 50)
    found = barriers_by_species([relabelled(glass, barrier)] * 2)
    assert found["Cu"]["atoms"] == 2 * copper.sum() and found["Zr"]["atoms"] == 2 * (~copper).sum()
    assert found["Cu"]["mean"] == pytest.approx(barrier[copper].mean())
    assert found["Zr"]["std"] == pytest.approx(barrier[~copper].std())
    both = correlation_by_species([relabelled(glass, barrier)], [np.where(copper, barrier, -barrier)])
    assert both == {"Cu": pytest.approx(1.0), "Zr": pytest.approx(-1.0)}


def test_what_is_not_defined_is_no_number_that_json_lacks():
    """Barriers that are all the same correlate with nothing, and one atom of a species neither."""
    glass = random_glass(3, 30)
    lone = Glass(glass.positions, glass.cell, glass.pbc, ["Zr"] + ["Cu"] * 29, np.full(30, 0.1), "lone")
    assert correlation_by_species([lone], [np.arange(30.0)]) == {"Cu": None, "Zr": None}
    assert (barrier_correlation(lone)[1] == 0).all()


def test_the_report_has_its_pictures_and_numbers(small_glass, tmp_path):
    from tf_symgnn.simulate.engine import Potential

    labelled = small_glass.copy()
    labelled.set_array("energy_barrier", np.linspace(1.0, 2.0, len(labelled)))
    numbers = json.loads(report_glasses({"a": small_glass, "b": labelled}, tmp_path / "r", Potential()).read_text())
    assert {path.name for path in (tmp_path / "r").iterdir()} == {"structure.png", "barriers.png", "report.json"}
    assert numbers["glasses"]["a"]["quench_rate"] == 1e15
    assert numbers["glasses"]["a"]["density"] == pytest.approx(len(small_glass) / small_glass.get_volume())
    assert set(numbers["barriers"]["by_quench_rate"]) == {"b"}
    assert numbers["barriers"]["by_quench_rate"]["b"]["mean"] == pytest.approx(1.5)
    assert set(numbers["barriers"]["pearson_with_local_energy"]) == {"Cu", "Zr"}
    assert len(numbers["radial_distribution"]["a"]["value"]) == 100
