"""Glasses outside the training data are found, and glasses of the same kind are not."""

from dataclasses import replace

import ase.io
import numpy as np
import pytest
from ase.build import bulk

from tests.conftest import SAMPLE, SPECIES
from tf_symgnn import names
from tf_symgnn.config import GraphConfig
from tf_symgnn.data import Glass, read_glasses, write_glasses
from tf_symgnn.domain.extrapolation import NOVELTY, Extrapolation, extrapolation, summarize
from tf_symgnn.domain.ranges import TrainingDomain
from tf_symgnn.domain.structure import structure_statistics
from tf_symgnn.graph import build_graph, to_graph_tensor
from tf_symgnn.graph.slabs import SlabbedGlass
from tf_symgnn.inference.extrapolation import graph_extrapolation, slab_extrapolation
from tf_symgnn.inference.files import write_predictions
from tf_symgnn.models.ridge.model import RidgeModel
from tf_symgnn.runs import DatasetStatistics

CUTOFF = 5.0


@pytest.fixture(scope="module")
def sample() -> dict[str, list[Glass]]:
    return read_glasses(SAMPLE)


@pytest.fixture(scope="module")
def model(sample, statistics) -> RidgeModel:
    training = sample[names.TRAIN]
    model = RidgeModel(species=SPECIES, cutoff=CUTOFF, label_mean=statistics.label_mean, label_std=statistics.label_std)
    graphs = [to_graph_tensor(graph_of(glass)) for glass in training]
    model(graphs[0])
    model.prepare(graphs, [glass.barrier for glass in training])
    return model


def graph_of(glass: Glass):
    return build_graph(glass, cutoff=CUTOFF, self_loops=True)


def crystal(symbols: str, structure: str, spacing: float, repeats: int) -> Glass:
    atoms = bulk(symbols, structure, a=spacing, cubic=True).repeat(repeats)
    return Glass(atoms.positions, atoms.cell.array, atoms.pbc, np.array(atoms.get_chemical_symbols()), None, "c.xyz")


@pytest.fixture(scope="module")
def statistics(sample) -> DatasetStatistics:
    training = sample[names.TRAIN]
    return DatasetStatistics.of(training, [graph_of(glass) for glass in training], CUTOFF)


@pytest.fixture
def of(model, statistics):
    """Return the extrapolation of a glass whose predicted barriers have the mean of the labels, if none are given."""

    def of_glass(glass: Glass, barrier: np.ndarray | None = None) -> Extrapolation:
        barrier = np.full(glass.n_atoms, statistics.label_mean) if barrier is None else barrier
        return graph_extrapolation(statistics.domain, model, graph_of(glass), CUTOFF, barrier)

    return of_glass


def reasons(found: Extrapolation) -> set[str]:
    return {f"{deviation.of} {deviation.kind}".strip() for deviation in found.reasons}


def strained(glass: Glass, strain: float) -> Glass:
    return replace(glass, positions=(1 + strain) * glass.positions, cell=(1 + strain) * glass.cell)


def test_novelty_is_one_on_average_over_the_training_atoms(model, sample):
    found = [model.novelty(to_graph_tensor(graph_of(glass))) for glass in sample[names.TRAIN]]
    assert np.concatenate(found).mean() == pytest.approx(1, abs=1e-3)


def test_training_glasses_are_inside_and_one_of_their_kind_is_within_tolerance(of, sample):
    for glass in sample[names.TRAIN]:
        structure = [deviation for deviation in of(glass).deviations if deviation.kind != NOVELTY]
        assert max(deviation.score for deviation in structure) == 0
    (other,) = sample[names.VALIDATION]
    assert 0 < of(other).score < 1


def test_strain(of, sample):
    (other,) = sample[names.VALIDATION]
    assert {"number density", "Cu-Zr bond length"} <= reasons(of(strained(other, 0.02)))
    assert "number density" in reasons(of(strained(other, -0.02)))


def test_thermal_displacements(of, sample):
    """Displacements of 0.15 A, those of an alloy near its glass transition."""
    (other,) = sample[names.VALIDATION]
    moved = other.positions + np.random.default_rng(0).normal(0, 0.15, other.positions.shape)
    assert "Cu-Zr bond length spread" in reasons(of(replace(other, positions=moved)))


def test_another_composition(of, sample):
    (other,) = sample[names.VALIDATION]
    species = other.species.copy()
    species[np.flatnonzero(species == "Cu")[:30]] = "Zr"  # 10% of the atoms
    assert {"Cu fraction", "Zr fraction"} <= reasons(of(replace(other, species=species)))


@pytest.mark.parametrize(
    "unlike", [crystal("Cu", "fcc", 3.615, 4), crystal("CuZr", "cesiumchloride", 3.26, 5)], ids=["fcc", "B2"]
)
def test_crystals_are_novel(of, unlike):
    assert NOVELTY in reasons(of(unlike))


def test_levels_of_barriers(of, sample, statistics):
    """Barriers of the structure of a training glass that are not those of the training labels."""
    glass, spread = sample[names.TRAIN][0], statistics.label_std
    assert reasons(of(glass, glass.barrier)) <= {NOVELTY}
    assert "mean barrier" in reasons(of(glass, glass.barrier - 1.0))
    low, high = statistics.domain.barrier
    wild = np.where(np.arange(glass.n_atoms) % 20, glass.barrier, np.resize([low - 0.1, high + 0.1], glass.n_atoms))
    (outside,) = [x for x in of(glass, wild).reasons if x.kind.startswith("fraction of barriers")]
    assert outside.value == pytest.approx(0.05) and outside.score == pytest.approx(2.5)
    # Less than half a standard deviation from the training glasses, as between quench rates, is no reason.
    assert "mean barrier" not in reasons(of(glass, glass.barrier + 0.4 * spread))


def test_an_empty_domain_covers_everything(sample):
    structure = structure_statistics(graph_of(sample[names.VALIDATION][0]), CUTOFF)
    assert extrapolation(TrainingDomain(), structure, np.array([-100.0, 100.0])).score == 0


def test_a_sample_of_atoms_stands_for_all(model, statistics):
    large = crystal("Cu", "fcc", 3.615, 7)  # 1372 atoms
    rng = np.random.default_rng(0)
    large = replace(large, positions=large.positions + rng.normal(0, 0.05, large.positions.shape))
    barrier = np.full(large.n_atoms, 1.0)
    whole = graph_extrapolation(statistics.domain, model, graph_of(large), CUTOFF, barrier)
    values = {(x.kind, x.of): x.value for x in whole.deviations}
    novelty = float(np.median(model.novelty(to_graph_tensor(graph_of(large)))))
    assert values[NOVELTY, ""] == pytest.approx(novelty, rel=0.05)
    for number in (1, 3, 30):
        slabbed = SlabbedGlass(large, cutoff=CUTOFF, self_loops=True, number=number)
        found = slab_extrapolation(statistics.domain, model, slabbed, CUTOFF, barrier)
        assert {(x.kind, x.of): x.value for x in found.deviations} == pytest.approx(values, rel=0.05, abs=1e-6)


def test_many_glasses_give_three_lines(of, sample):
    (other,) = sample[names.VALIDATION]
    found = {f"glass{k}.xyz": of(other) for k in range(5)}
    assert summarize(found) == []
    found |= {f"strained{k}.xyz": of(strained(other, 0.02 + 0.001 * k)) for k in range(4)}
    worst, number, advice = summarize(found)
    assert worst.startswith(
        f"strained3.xyz: outside the training data (extrapolation {found['strained3.xyz'].score:.1f}): "
    )
    assert "number density" in worst and "A^-3, training 0." in worst
    assert number.startswith("4 of 9 glasses are outside") and "order is more reliable" in advice


@pytest.mark.parametrize("memory", [None, 30 * 10**9])
def test_predictions_are_warned_about(memory, finished_run, model, statistics, sample, tmp_path, monkeypatch):
    config = replace(finished_run.config(), graph=GraphConfig(cutoff=CUTOFF))
    monkeypatch.setattr(finished_run, "load_model", lambda: model)
    monkeypatch.setattr(finished_run, "config", lambda: config)
    monkeypatch.setattr(finished_run, "statistics", lambda: statistics)
    files = [tmp_path / "alike.xyz", tmp_path / "crystal.xyz"]
    for file, glass in zip(files, (sample[names.VALIDATION][0], crystal("Cu", "fcc", 3.615, 4)), strict=True):
        write_glasses(file, [glass])
    found = write_predictions(finished_run, files, tmp_path / "out.xyz", memory=memory)
    alike, unlike = (atoms.info["extrapolation"] for atoms in ase.io.read(tmp_path / "out.xyz", index=":"))
    assert alike < 1 < unlike
    told = summarize(found)
    assert told[0].startswith(f"{files[1]}: outside the training data") and len(told) == 3
