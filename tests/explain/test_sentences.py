"""An explanation in sentences: what they state of given results."""

import copy

import pytest

from tf_symgnn.explain.sentences import sentences


def changes(mask: float, nearest: float, random: float) -> dict:
    curves = {"edge masks": mask, "nearest": nearest, "random": random}
    return {"size": 0.1, "shares": [0.1, 1.0]} | {name: {"change": [x, 9.0]} for name, x in curves.items()}


def cells(share: float, low: float, high: float) -> dict:
    return {"indices": {"<0, 0, 12, 0>": share}, "intervals": {"<0, 0, 12, 0>": [low, high]}}


FIGURES = {
    "model": "symgnn",
    "glass": "val0",
    "barrier": [1.0, 2.0],
    "mean": 1.25,
    "spread": 0.25,
    "contributions": {"softness": -0.4, "energy": 0.1, "density": 0.0},
    "glass_contributions": {"softness": -0.2, "energy": 0.05, "density": 0.0},
    "largest_terms": [
        {
            "target": 7,
            "barrier": 1.0,
            "difference": -0.25,
            "term": "softness",
            "term_difference": -0.3,
            "deviation": 1.84,
        },
        {
            "target": 9,
            "barrier": 2.0,
            "difference": 0.75,
            "term": "structure",
            "term_difference": 0.5,
            "deviation": None,
        },
    ],
    "descriptors": 0,
    "reach": 10.0,
    "change_by_reach": 0.004,
    "displacements": changes(2.0, 1.0, 0.5),
    "trust": {
        "other_seeds": {"overlap": 0.39, "by_chance": 0.01},
        "shuffled_weights": {"overlap": 0.13, "by_chance": 0.01},
    },
    "distances": {"peaks": [2.9], "peaks_of_all": [2.9, 5.5]},
    "cycles": {
        "important_with_such": 2.0,
        "random_of_same_length": 1.5,
        "p_same_length": 0.03,
        "intervals": {"important_with_such": [1.8, 2.2], "random_of_same_length": None},
    },
    "surroundings": {"high": cells(0.5, 0.4, 0.6), "low": cells(0.1, 0.05, 0.2)},
}


def text_with(**changed) -> str:
    return " ".join(sentences(copy.deepcopy(FIGURES) | changed))


def test_all_results_are_stated():
    text = text_with()
    for part in (
        "The model symgnn predicts 1.50 eV on average for 2 atoms of val0.",
        "sums of 3 terms. The largest on average: softness -0.40 eV, energy +0.10 eV, density +0.00 eV.",
        "Their means over all atoms of the glass are -0.20 eV, +0.05 eV, +0.00 eV.",
        "Atom 9 has 2.00 eV, 0.75 eV above the mean. Most of the difference is due to its structure, +0.50 eV. Atom 7",
        "Atom 7 has 1.00 eV, 0.25 eV below the mean. Most of the difference is due to its softness, -0.30 eV.",
        "It is 1.8 spreads above the mean of its species in the training glasses.",
        "Pairs within 10 Å",
        "by 0.4% of the spread",
        "highest, predictions change by 2.00 spreads; with the nearest tenth by 1.00, with a random tenth by 0.50",
        "share 39% of the important pairs, masks of a model with shuffled weights 13%; by chance it would be 1%",
        "at 2.9 Å from the explained one, all atoms at 2.9, 5.5 Å",
        "part of 2.00 (1.80 to 2.20) rings, an unimportant pair of the same length of 1.50 (p = 0.03)",
        "Of the atoms with high barriers 50% have the Voronoi cell <0, 0, 12, 0>, of those with low barriers 10%.",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("mask", "nearest", "random", "part"),
    [
        (2.0, 1.0, 0.5, "more than the nearest ones"),
        (2.0, 1.9, 0.5, "a ranking by distance does as well"),
        (2.0, 3.4, 0.5, "a ranking by distance finds those that matter more"),
        (0.5, 3.4, 0.5, "do not explain these predictions"),
        (0.0, 0.0, 0.0, "do not explain these predictions"),
    ],
)
def test_the_verdict_compares_masks_with_nearest_and_random_atoms(mask, nearest, random, part):
    found = sentences(FIGURES | {"displacements": changes(mask, nearest, random)})
    (verdict,) = [sentence for sentence in found if sentence.startswith("So the masks")]
    assert part in verdict


def test_what_is_not_known_is_not_stated():
    unknown = FIGURES["cycles"] | {"important_with_such": None, "random_of_same_length": None}
    nothing = {"overlap": None, "by_chance": None}
    text = text_with(
        cycles=unknown,
        trust={"other_seeds": nothing, "shuffled_weights": nothing},
        contributions={},
        largest_terms=[],
        reach=None,
        distances={"peaks": [], "peaks_of_all": []},
        surroundings={"high": cells(0.5, 0.1, 0.6), "low": cells(0.1, 0.05, 0.2)},
    )
    for part in ("rings", "seeds", "terms", "Pairs within", "frequent at"):
        assert part not in text
    assert "No frequent Voronoi cell distinguishes" in text
    assert "Pair weights do not act" in text_with(descriptors=10)
