"""Power spectra of the neighbor density."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import sph_harm_y

from tests.conftest import SPECIES, fcc_copper, random_glass
from tf_symgnn.graph import build_graph, to_graph_tensor
from tf_symgnn.nn.chunked import partition
from tf_symgnn.nn.pairs import PairView
from tf_symgnn.nn.power_spectrum import PowerSpectrum, real_harmonics

CUTOFF = 4.0
ROTATION = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]])


def view_of(glass) -> PairView:
    graph = build_graph(glass, cutoff=CUTOFF, self_loops=True)
    return PairView.of(to_graph_tensor(graph), "float32")


def spectrum(glass, **changes) -> np.ndarray:
    layer = PowerSpectrum(species=SPECIES, cutoff=CUTOFF, **{"shells": 3, "degree": 4} | changes)
    return layer(view_of(glass))[0].numpy()


def test_harmonics_match_scipy():
    unit = np.random.default_rng(0).normal(size=(20, 3))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    polar, azimuth = np.arccos(unit[:, 2]), np.arctan2(unit[:, 1], unit[:, 0])
    expected = []
    for degree in range(7):
        for order in range(degree + 1):
            # SciPy's harmonics have the Condon-Shortley phase.
            harmonic = (-1) ** order * sph_harm_y(degree, order, polar, azimuth)
            expected += [harmonic.real] if order == 0 else [np.sqrt(2) * harmonic.real, np.sqrt(2) * harmonic.imag]
    np.testing.assert_allclose(real_harmonics(tf.constant(unit), 6), np.stack(expected, axis=1), atol=1e-12)


def test_spectra_satisfy_the_addition_theorem():
    """p_l = sqrt(2l+1)/4pi sum_ij g_n(r_i) g_n'(r_j) P_l(cos of the angle between i and j)."""
    glass = random_glass(3, 40)
    graph = build_graph(glass, cutoff=CUTOFF, self_loops=False)
    received = graph.target == 7
    displacement = graph.displacement[received].astype(float)
    species = graph.atomic_numbers[graph.source[received]]
    distance = np.linalg.norm(displacement, axis=1)
    spacing = (CUTOFF - 2.0) / 2
    centers = 2.0 + spacing * np.arange(3)
    shells = np.exp(-0.5 * ((distance[:, None] - centers) / (2 * spacing)) ** 2)
    shells *= 0.5 * (1 + np.cos(np.pi * distance / CUTOFF))[:, None]
    channels = np.concatenate([shells * (species == z)[:, None] for z in SPECIES], axis=1)  # [pairs, 6]
    cosine = displacement @ displacement.T / np.outer(distance, distance)
    upper = np.triu_indices(6)
    expected = []
    for degree in range(5):
        legendre = np.polynomial.legendre.Legendre.basis(degree)(cosine)
        power = np.sqrt(2 * degree + 1) / (4 * np.pi) * channels.T @ legendre @ channels
        expected.append(power[upper])
    expected = np.concatenate(expected)
    np.testing.assert_allclose(spectrum(glass)[7], expected / np.linalg.norm(expected), rtol=1e-3, atol=1e-5)


def test_a_spectrum_does_not_depend_on_the_order_of_pairs():
    graph = build_graph(random_glass(3, 200), cutoff=CUTOFF, self_loops=True)
    order = np.lexsort((np.random.default_rng(0).random(graph.n_pairs), graph.target))
    other = replace(
        graph, source=graph.source[order], target=graph.target[order], displacement=graph.displacement[order]
    )
    layer = PowerSpectrum(species=SPECIES, cutoff=CUTOFF)
    one, two = (layer(PairView.of(to_graph_tensor(x), "float32"))[0].numpy() for x in (graph, other))
    # Double precision sums round to the same single precision numbers, with few exceptions.
    assert np.mean(one != two) < 1e-3


@pytest.mark.parametrize("max_pairs", [8192, 100])
def test_chunked_spectra_and_their_gradients_match_the_reference(max_pairs, monkeypatch):
    pairs = view_of(random_glass(3, 200))
    monkeypatch.setattr(partition, "MAX_CHUNK_PAIRS", max_pairs)
    results = []
    for kernel in ("reference", "chunked"):
        layer = PowerSpectrum(species=SPECIES, cutoff=CUTOFF, kernel=kernel)
        with tf.GradientTape() as tape:
            tape.watch((pairs.displacement, pairs.weight))
            direction, presence = layer(pairs)
            total = tf.reduce_sum(direction**3) + tf.reduce_sum(presence**2)
        results.append((direction, presence, *tape.gradient(total, (pairs.displacement, pairs.weight))))
    assert tf.size(pairs.target) > 1000
    for reference, chunked in zip(*results, strict=True):
        assert np.linalg.norm(chunked - reference) < 1e-5 * np.linalg.norm(reference)
        assert np.linalg.norm(reference) > 0


def test_the_direction_of_a_spectrum_does_not_depend_on_a_common_weight():
    pairs = view_of(random_glass(3, 40))
    layer = PowerSpectrum(species=SPECIES, cutoff=CUTOFF)
    whole, half, none = (layer(pairs._replace(weight=factor * pairs.weight)) for factor in (1.0, 0.5, 0.0))
    np.testing.assert_allclose(np.linalg.norm(whole[0], axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(half[0], whole[0], atol=1e-5)
    # Half the weight gives a sixteenth of the squared length.
    odds = [presence / (1 - presence) for _, presence in (whole, half)]
    np.testing.assert_allclose(odds[1], odds[0] / 16, rtol=1e-2)
    assert not none[0].numpy().any() and not none[1].numpy().any()


@pytest.mark.parametrize("element", [ROTATION, -ROTATION], ids=["rotation", "reflection"])
def test_the_spectrum_is_exactly_invariant(element):
    glass = random_glass(1, 60)
    transformed = replace(glass, positions=glass.positions @ element, cell=glass.cell @ element)
    one, other = spectrum(glass, degree=6), spectrum(transformed, degree=6)
    assert np.abs(one - other).max() < 1e-5 * np.abs(one).max()
    assert one.std(axis=0).max() > 0.01


def test_an_fcc_crystal_has_no_odd_degrees_and_no_quadrupole():
    """Inversion symmetry makes odd degrees zero, and cubic symmetry makes l = 2 zero."""
    layer = PowerSpectrum(species=(29,), cutoff=3.0, shells=2, degree=6)
    graph = build_graph(fcc_copper(), cutoff=3.0, self_loops=True)
    power = layer(PairView.of(to_graph_tensor(graph), "float32"))[0].numpy()
    np.testing.assert_allclose(power, np.tile(power[0], (len(power), 1)), rtol=1e-4, atol=1e-6)
    first = power[0, ::3]  # the first shell with itself, for each degree
    assert np.abs(first[[1, 2, 3, 5]]).max() < 1e-5 * first[0]
    # Steinhardt et al. (1983): Q_4 = 0.191 and Q_6 = 0.575, and p_l/p_0 = sqrt(2l+1) Q_l^2.
    np.testing.assert_allclose(first[[4, 6]] / first[0], [3 * 0.19094**2, 13**0.5 * 0.57452**2], rtol=1e-3)


def test_a_single_shell_is_refused():
    with pytest.raises(ValueError, match="shells: found 1, expected at least 2"):
        PowerSpectrum(species=SPECIES, cutoff=CUTOFF, shells=1)
