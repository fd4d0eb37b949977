"""Error of predictions in the core of a patch against the width of its halo.

    python benchmarks/patch_halo.py RUN GLASS

RUN is a run folder, GLASS a structure file larger than the model's receptive field. Prints a Markdown table and writes
`figures/patch_halo.png` beside this file.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tf_symgnn.data import read_glass
from tf_symgnn.graph import PatchedGlass
from tf_symgnn.inference import CompiledModel
from tf_symgnn.runs import RunFolder, glass_graphs

CORE = 5.0  # A, largest edge of a core; blocks of equal size fill the glass


def core_difference(predict: CompiledModel, graph, whole: np.ndarray, halo: float) -> tuple[float, float]:
    """Return the relative error of core predictions, and the fraction of the glass's atoms that are in the patch.

    The error is the RMS difference from the predictions for the whole glass, over their standard deviation.
    """
    patch, atoms, core = PatchedGlass(graph, size=CORE, halo=halo).extract(0)
    difference = predict(patch)[core] - whole[atoms[core]]
    return float(np.sqrt(np.square(difference).mean()) / whole.std()), len(atoms) / graph.n_atoms


def main() -> None:
    """Measure halos from zero to the receptive field."""
    run = RunFolder.open(sys.argv[1])
    model = run.load_model()
    (graph,) = glass_graphs(run.config(), [read_glass(sys.argv[2], species=run.config().type_names)])
    predict = CompiledModel(model)
    whole = predict(graph)
    halos = np.linspace(0.0, model.receptive_field, 9)
    print("| halo (A) | fraction of the glass's atoms | RMS difference / standard deviation |")
    print("|---|---|---|")
    differences = []
    for halo in halos:
        difference, fraction = core_difference(predict, graph, whole, halo)
        differences.append(difference)
        print(f"| {halo:.1f} | {fraction:.2f} | {difference:.1e} |", flush=True)
    figure = Figure(figsize=(4.6, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.semilogy(halos, differences, "o-")
    axes.axvline(model.receptive_field, color="black", linestyle=":", label="receptive field")
    axes.set(xlabel="halo (A)", ylabel="RMS difference / std of predictions", title=f"core of at most {CORE:g} A")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(Path(__file__).parent / "figures" / "patch_halo.png", dpi=130)


if __name__ == "__main__":
    main()
