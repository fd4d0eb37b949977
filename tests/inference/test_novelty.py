"""Glasses and crystals that a model was not trained on are told from those it was."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk

from tests.conftest import SPECIES
from tf_symgnn import names
from tf_symgnn.config import GraphConfig
from tf_symgnn.data import SAMPLE, Glass, read_glasses, write_glasses
from tf_symgnn.graph import build_graph, to_graph_tensor
from tf_symgnn.graph.slabs import SlabbedGlass
from tf_symgnn.inference.files import predict_files
from tf_symgnn.inference.novelty import UNLIKE, novelty, novelty_in_slabs
from tf_symgnn.models.ridge.spectral import SpectralRidge
from tf_symgnn.nn.pairs import PairView

CUTOFF = 5.0


@pytest.fixture(scope="module")
def sample() -> dict[str, list[Glass]]:
    return read_glasses(SAMPLE)


@pytest.fixture(scope="module")
def model(sample) -> SpectralRidge:
    graphs = [to_graph_tensor(graph_of(glass)) for glass in sample[names.TRAIN]]
    model = SpectralRidge(species=SPECIES, cutoff=CUTOFF)
    model(graphs[0])
    near = [PairView.of(graph, "float32") for graph in graphs]
    model.components.fit([model.spectrum(x)[0].numpy() for x in near], [x.atomic_numbers.numpy() for x in near])
    return model


def graph_of(glass: Glass):
    return build_graph(glass, cutoff=CUTOFF, self_loops=True)


def crystal(symbols: str, structure: str, spacing: float, repeats: int) -> Glass:
    atoms = bulk(symbols, structure, a=spacing, cubic=True).repeat(repeats)
    return Glass(atoms.positions, atoms.cell.array, atoms.pbc, np.array(atoms.get_chemical_symbols()), None, "c.xyz")


def test_it_is_one_on_average_over_the_training_atoms(model, sample):
    found = [model.novelty(to_graph_tensor(graph_of(glass))) for glass in sample[names.TRAIN]]
    assert np.concatenate(found).mean() == pytest.approx(1, abs=1e-3)


def test_a_glass_of_its_kind_is_like_them(model, sample):
    (other,) = sample[names.VALIDATION]
    assert novelty(model, graph_of(other)) < UNLIKE / 1.5


@pytest.mark.parametrize(
    "unlike", [crystal("Cu", "fcc", 3.615, 4), crystal("CuZr", "cesiumchloride", 3.26, 5)], ids=["fcc", "B2"]
)
def test_crystals_are_unlike_them(model, unlike):
    assert novelty(model, graph_of(unlike)) > UNLIKE


def test_another_alloy_is_unlike_them(model, sample):
    (glass,) = sample[names.VALIDATION]
    swapped = replace(glass, species=np.where(glass.species == "Cu", "Zr", "Cu"))
    assert novelty(model, graph_of(swapped)) > UNLIKE


def test_a_thousand_atoms_tell_what_all_would(model):
    large = crystal("Cu", "fcc", 3.615, 7)  # 1372 atoms, all alike
    rng = np.random.default_rng(0)
    large = replace(large, positions=large.positions + rng.normal(0, 0.05, large.positions.shape))
    whole = np.median(model.novelty(to_graph_tensor(graph_of(large))))
    assert novelty(model, graph_of(large)) == pytest.approx(whole, rel=0.05)
    for number in (1, 3, 30):
        slabbed = SlabbedGlass(large, cutoff=CUTOFF, self_loops=True, number=number)
        assert novelty_in_slabs(model, slabbed) == pytest.approx(whole, rel=0.05)


@pytest.mark.parametrize("memory", [None, 30 * 10**9])
def test_a_prediction_says_so_in_one_line(memory, finished_run, model, sample, tmp_path, monkeypatch, capsys):
    config = replace(finished_run.config(), graph=GraphConfig(cutoff=CUTOFF))
    monkeypatch.setattr(finished_run, "load_model", lambda: model)
    monkeypatch.setattr(finished_run, "config", lambda: config)
    files = [tmp_path / "alike.xyz", tmp_path / "crystal.xyz"]
    for file, glass in zip(files, (sample[names.VALIDATION][0], crystal("Cu", "fcc", 3.615, 4)), strict=True):
        write_glasses(file, [glass])
    predict_files(finished_run, files, tmp_path / "out.xyz", memory=memory)
    told = [line for line in capsys.readouterr().err.splitlines() if "unlike" in line]
    assert len(told) == 1 and told[0].startswith("crystal: unlike the training glasses, novelty ")
