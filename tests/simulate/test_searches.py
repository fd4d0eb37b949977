"""Softest modes and saddle points: known Hessians, a double well, a vacancy against ASE's bands, a glass's Hessian."""

import ase
import numpy as np
import pytest
from ase.geometry import find_mic
from ase.mep import NEB
from ase.optimize import BFGS, FIRE

from tf_symgnn.simulate.engine import Forces, ForcesCalculator, Potential
from tf_symgnn.simulate.lbfgs import FARTHEST, LBFGS, clip_step
from tf_symgnn.simulate.modes import Point, softest_mode, unit
from tf_symgnn.simulate.saddles import SearchFailed, SearchSettings, find_saddle, is_home

N = 12
CONNECTED = SearchSettings(require_connected=True)


def without_translation(matrix: np.ndarray) -> np.ndarray:
    """A Hessian [3N, 3N] that does not feel the whole moving."""
    across = np.eye(3 * N) - np.kron(np.full((N, N), 1 / N), np.eye(3))
    return across @ matrix @ across


@pytest.fixture(scope="module")
def quadratic():
    """A force field with a known Hessian: curvatures -2, 1, 2, 3, ... and 0 for the whole moving."""
    rng = np.random.default_rng(0)
    directions, _ = np.linalg.qr(without_translation(rng.normal(size=(3 * N, 3 * N)))[:, : 3 * N - 3])
    curvatures = np.array([-2.0, *range(1, 3 * N - 3)])
    hessian = (directions * curvatures) @ directions.T

    def field(positions: np.ndarray) -> tuple[float, np.ndarray]:
        flat = positions.ravel()
        return 0.5 * flat @ hessian @ flat, -(hessian @ flat).reshape(N, 3)

    return field, directions.T.reshape(-1, N, 3)


def test_softest_mode_of_a_known_hessian(quadratic):
    field, directions = quadratic
    rng = np.random.default_rng(1)
    point = Point.at(field, rng.normal(size=(N, 3)))
    mode, curvature = softest_mode(field, point, rng.normal(size=(N, 3)), corrections=80, tolerance=1e-4)
    assert curvature == pytest.approx(-2.0, abs=1e-4)
    assert abs(np.vdot(mode, directions[0])) == pytest.approx(1.0, abs=1e-4)
    second, curvature = softest_mode(
        field, point, rng.normal(size=(N, 3)), corrections=80, tolerance=1e-4, beside=directions[0]
    )
    assert curvature == pytest.approx(1.0, abs=1e-3)
    assert abs(np.vdot(second, directions[0])) < 1e-6


def test_a_mode_is_corrected_towards_less_curvature_each_time(quadratic):
    field, _ = quadratic
    rng = np.random.default_rng(2)
    point, start = Point.at(field, rng.normal(size=(N, 3))), rng.normal(size=(N, 3))
    curvatures = [softest_mode(field, point, start, corrections=k, tolerance=0.0)[1] for k in range(8)]
    assert all(later < earlier for earlier, later in zip(curvatures, curvatures[1:], strict=False))


def test_descent_comes_to_rest_at_the_minimum_in_short_steps():
    stiffness = np.linspace(0.5, 20.0, 3 * N).reshape(N, 3)
    positions, course = np.random.default_rng(3).normal(size=(N, 3)), LBFGS()
    for _ in range(200):
        step = course.step(positions, -stiffness * positions)
        assert np.linalg.norm(step, axis=1).max() <= FARTHEST * (1 + 1e-12)
        positions = positions + step
    assert np.abs(positions).max() < 1e-6


def test_shortened_keeps_the_direction():
    step = np.array([[3.0, 4.0, 0.0], [0.0, 0.0, 1.0]])
    np.testing.assert_allclose(clip_step(step, 0.5), step / 10)
    np.testing.assert_array_equal(clip_step(step, 5.0), step)


def test_a_unit_direction_does_not_move_the_whole():
    direction = unit(np.random.default_rng(4).normal(size=(N, 3)) + 5.0)
    np.testing.assert_allclose(direction.sum(axis=0), 0.0, atol=1e-12)
    assert np.linalg.norm(direction) == pytest.approx(1.0)


def double_well(positions: np.ndarray) -> tuple[float, np.ndarray]:
    """Two atoms on a stiff spring field; their distance along x has wells at 2 and 4 A, 0.8 eV below the top at 3 A."""
    x, y, z = positions[1] - positions[0]
    u = x - 3.0
    energy = 0.8 * (u**2 - 1) ** 2 + 2.0 * (y**2 + z**2)
    slope = np.array([3.2 * u * (u**2 - 1), 4.0 * y, 4.0 * z])
    return energy, np.stack([slope, -slope])


def test_the_saddle_of_a_double_well():
    minimum = ase.Atoms("Cu2", positions=[[0.0, 0.0, 0.0], [2.0, 0.0, 0.0]], cell=[50.0] * 3, pbc=True)
    found = []
    for seed in range(20):
        try:
            saddle = find_saddle(double_well, minimum, 1, np.random.default_rng(seed), CONNECTED)
        except SearchFailed:
            continue
        found.append(saddle)
    assert len(found) >= 3
    for saddle in found:
        assert saddle.point.energy == pytest.approx(0.8, abs=1e-4)
        assert saddle.curvature == pytest.approx(-6.4, abs=0.1)  # -3.2 on each of two atoms, along the difference
        assert saddle.final[1, 0] - saddle.final[0, 0] == pytest.approx(4.0, abs=1e-2)


def migration_by_band(start: ase.Atoms, end: ase.Atoms, field: Forces) -> float:
    """Barrier, eV, of ASE's climbing-image nudged elastic band."""
    images = [start.copy(), *[start.copy() for _ in range(5)], end.copy()]
    for image in images:
        image.calc = ForcesCalculator(field)
    band = NEB(images, climb=True, k=0.5, method="improvedtangent", allow_shared_calculator=True)
    band.interpolate(mic=True)
    FIRE(band, logfile=None).run(fmax=0.01, steps=400)
    energies = [image.get_potential_energy() for image in images]
    return max(energies) - energies[0]


@pytest.mark.slow
def test_vacancy_migration_in_copper_agrees_with_a_nudged_elastic_band(vacancy):
    field = Forces(vacancy, Potential())
    energy = field(vacancy.positions)[0]
    neighbour = int(find_mic(vacancy.positions, vacancy.cell)[1].argmin())  # the vacancy is at the origin
    hops = []
    for seed in range(40):
        try:
            saddle = find_saddle(field, vacancy, neighbour, np.random.default_rng(seed), CONNECTED)
        except SearchFailed:
            continue
        moved = np.linalg.norm(saddle.final - vacancy.positions, axis=1)
        if moved.argmax() == neighbour and np.sort(moved)[-2] < 1.0:
            hops.append(saddle)
            break
    assert hops, "no search found the hop"
    end = vacancy.copy()
    end.positions = hops[0].final
    end.calc = ForcesCalculator(field)
    BFGS(end, logfile=None).run(fmax=1e-3)
    assert end.get_potential_energy() == pytest.approx(energy, abs=1e-3)  # the vacancy is the same elsewhere
    assert hops[0].point.energy - energy == pytest.approx(migration_by_band(vacancy, end, field), rel=0.02)


@pytest.mark.slow
def test_a_saddle_of_a_glass_has_one_negative_curvature_and_one_way_home(small_glass):
    field = Forces(small_glass, Potential())
    settings = CONNECTED
    saddles = []
    for seed in range(60):
        try:
            saddles.append(
                find_saddle(field, small_glass, seed % len(small_glass), np.random.default_rng(seed), settings)
            )
        except SearchFailed:
            continue
        if len(saddles) == 3:
            break
    assert len(saddles) == 3
    for saddle in saddles:
        eigenvalues = np.linalg.eigvalsh(hessian(field, saddle.point.positions))
        assert (eigenvalues < -1e-3).sum() == 1  # three are zero, up to the step of the differences
        assert eigenvalues[0] == pytest.approx(saddle.curvature, rel=0.05)
        assert saddle.point.largest_force < settings.largest_force
        assert saddle.point.energy > field(small_glass.positions)[0]
        assert not is_home(small_glass, saddle.final)


def hessian(field: Forces, positions: np.ndarray, step: float = 2e-3) -> np.ndarray:
    """Second derivatives [3N, 3N], eV/A^2, by central differences of forces."""
    columns = []
    for index in range(positions.size):
        shift = np.zeros(positions.size)
        shift[index] = step
        shift = shift.reshape(positions.shape)
        columns.append((field(positions - shift)[1] - field(positions + shift)[1]).ravel() / (2 * step))
    matrix = np.array(columns)
    return (matrix + matrix.T) / 2
