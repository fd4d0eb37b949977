"""The domain of the training glasses: trends in composition, and the record of it."""

import json

import numpy as np
import pytest

from tf_symgnn.domain.ranges import TrainingDomain
from tf_symgnn.domain.structure import FRACTION, Statistic


def structure(copper: float, length: float) -> dict:
    fractions = {"Cu": Statistic(copper, 0.0), "Zr": Statistic(1 - copper, 0.0)}
    return {FRACTION: fractions, "bond length": {"Cu-Zr": Statistic(length, 0.01)}}


def domain_of(glasses: dict[float, list[float]]) -> TrainingDomain:
    """Return the domain of glasses given as bond lengths by fraction of Cu, with labels of 1 and 2 eV."""
    structures = [structure(copper, length) for copper, lengths in glasses.items() for length in lengths]
    return TrainingDomain.of(structures, [np.array([1.0, 2.0])] * len(structures))


def test_one_composition_has_no_trend():
    trained = domain_of({0.64: [2.90, 2.92, 2.91]}).structure["bond length"]["Cu-Zr"]
    assert trained.at({"Cu": 0.64, "Zr": 0.36}) == pytest.approx((2.90, 2.92))
    assert trained.at({"Cu": 0.50, "Zr": 0.50}) == pytest.approx((2.90, 2.92))
    assert trained.error == pytest.approx(0.01)


def test_compositions_have_a_linear_trend():
    """Lengths of 3 - 0.2 x at fractions x of Cu, 0.01 to both sides of it."""
    lengths = {x: [3 - 0.2 * x - 0.01, 3 - 0.2 * x + 0.01] for x in (0.5, 0.64, 0.8)}
    trained = domain_of(lengths).structure["bond length"]["Cu-Zr"]
    assert trained.at({"Cu": 0.7, "Zr": 0.3}) == pytest.approx((2.85, 2.87), abs=2e-3)


def test_fractions_have_a_range_and_no_trend():
    domain = domain_of({x: [2.9] for x in (0.5, 0.64, 0.8)})
    assert domain.structure[FRACTION]["Cu"].at({"Cu": 0.1}) == pytest.approx((0.5, 0.8))


def test_ranges_of_labels():
    structures = [structure(0.64, 2.9)] * 2
    domain = TrainingDomain.of(structures, [np.array([1.0, 2.0]), np.array([0.5, 3.5])])
    assert domain.mean_barrier == (1.5, 2.0) and domain.barrier == (0.5, 3.5)


def test_the_record_is_json_and_comes_back():
    for domain in (domain_of({0.5: [2.9], 0.8: [2.95, 2.93]}), TrainingDomain()):
        assert TrainingDomain.from_record(json.loads(json.dumps(domain.record()))) == domain
