#!/usr/bin/env python3
"""Test whether per-atom uncertainties of the default model correspond to its errors.

    python benchmarks/uncertainty.py runs/cuzr-0 runs/cuzr-1 runs/cuzr-2

The runs differ in their seeds. Three uncertainties are computed for the validation glasses:

- posterior: standard deviation of the regression's prediction, given the training labels (Rasmussen and Williams, 2006,
  eq. 2.9, up to a factor), for the prior and the penalty that cross-validation selects
- glasses: standard deviation of regressions, each without one part of the training glasses
- runs: standard deviation of the predictions of the runs

Each is compared with a constant: the log-likelihood of the errors of a glass under a normal distribution, whose
logarithmic width is linear in the uncertainty, or constant. Both widths are fitted to the other validation glasses.
Prints a Markdown table, and draws the error against the uncertainty in ten bins.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import scipy.linalg
from matplotlib.figure import Figure
from scipy.optimize import minimize
from scipy.stats import spearmanr

from tf_symgnn import names, runtime
from tf_symgnn.data import replacing
from tf_symgnn.graph import GlassGraph, to_graph_tensor
from tf_symgnn.inference import CompiledModel
from tf_symgnn.models.catalog import is_chunked
from tf_symgnn.models.ridge.model import PRIOR_EXPONENTS, RidgeModel
from tf_symgnn.models.ridge.regression import NeighborhoodRidge
from tf_symgnn.models.ridge.solver import LabeledFeatures, NormalEquations, folds
from tf_symgnn.runs import RunFolder, read_labeled

FIGURE = Path(__file__).parent / "figures" / "uncertainty.png"
BINS = 10


def main() -> None:
    """Print the table and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs that differ in their seeds")
    args = parser.parse_args()
    runs = [RunFolder.open(path) for path in args.runs]
    runtime.configure(chunked=is_chunked(runs[0].config().model))
    splits = read_labeled(runs[0].config())
    training, validation = (runs[0].graphs(splits[split]) for split in (names.TRAIN, names.VALIDATION))
    predictions = [predicted(run, validation) for run in runs]
    errors = [
        label - np.mean(of_runs, axis=0)
        for label, *of_runs in zip((glass.barrier for glass in splits[names.VALIDATION]), *predictions, strict=True)
    ]
    uncertainties = regression_uncertainties(runs[0].load_model().baseline, training, validation)
    if len(runs) > 1:
        uncertainties["runs"] = [np.std(of_runs, axis=0) for of_runs in zip(*predictions, strict=True)]
    print("| uncertainty | Spearman with error | gain of log-likelihood per atom, of each glass | mean |")
    print("|---|---|---|---|")
    for name, values in uncertainties.items():
        gains = gains_over_constant(errors, values)
        rank = spearmanr(np.concatenate(values), np.abs(np.concatenate(errors)))[0]
        print(f"| {name} | {rank:.3f} | {', '.join(f'{gain:+.4f}' for gain in gains)} | {np.mean(gains):+.4f} |")
    with replacing(FIGURE) as new:
        plot(errors, uncertainties).savefig(new, format="png", dpi=150, bbox_inches="tight")


def predicted(run: RunFolder, graphs: list[GlassGraph]) -> list[np.ndarray]:
    """Return predicted barriers [N] eV of glasses."""
    model = CompiledModel(run.load_model(), patch_size=run.config().stream.patch_size)
    return [model(graph) for graph in graphs]


def regression_uncertainties(
    model: RidgeModel, training: list[GlassGraph], validation: list[GlassGraph]
) -> dict[str, list[np.ndarray]]:
    """Return the two uncertainties of a regression [N] of each validation glass, in units of their own."""
    features = [
        [model.ridge.features(*model.descriptors(to_graph_tensor(graph))).numpy() for graph in graphs]
        for graphs in (training, validation)
    ]
    glasses = []
    for graph, x in zip(training, features[0], strict=True):
        known = np.isfinite(graph.barrier)
        glasses.append(LabeledFeatures(x[known], (graph.barrier[known] - model.label_mean) / model.label_std))
    priors = [model.components.relative_variance**power for power in PRIOR_EXPONENTS]
    layer = NeighborhoodRidge(species=model.ridge.species)
    layer.build(model.ridge.kernel.shape[:1].as_list())
    chosen, penalty = layer.fit(glasses, priors)
    expected = np.tile(priors[chosen], layer.blocks)
    used = np.flatnonzero(expected)
    parts = [
        NormalEquations.sum(NormalEquations.of(glass._replace(features=glass.features[:, used])) for glass in fold)
        for fold in folds(glasses)
    ]
    weights = [
        NormalEquations.sum(parts[:k] + parts[k + 1 :]).solve(penalty, expected[used]) for k in range(len(parts))
    ]
    everything = NormalEquations.sum(parts)
    spread = np.sqrt(np.diag(everything.products) / everything.weight)
    scale = expected[used] / spread
    factor = scipy.linalg.cho_factor(everything.products * scale * scale[:, None] + penalty * np.eye(len(used)))
    posterior, of_parts = [], []
    for x in (x[:, used] for x in features[1]):
        z = (x - everything.features) * scale
        posterior.append(np.sqrt(np.einsum("nd,dn->n", z, scipy.linalg.cho_solve(factor, z.T))))
        of_parts.append(np.std([x @ weight + constant for weight, constant in weights], axis=0))
    return {"posterior": posterior, "glasses": of_parts}


def gains_over_constant(errors: list[np.ndarray], uncertainties: list[np.ndarray]) -> list[float]:
    """Return by how much an uncertainty describes the errors of each glass better than a constant, nats per atom."""
    gains = []
    for k in range(len(errors)):
        others, values = (np.concatenate(x[:k] + x[k + 1 :]) for x in (errors, uncertainties))
        others, values = others[np.isfinite(others)], values[np.isfinite(others)]
        known = np.isfinite(errors[k])
        error, value = errors[k][known], (uncertainties[k][known] - values.mean()) / values.std()
        values = (values - values.mean()) / values.std()
        constant = 0.5 * np.log(np.mean(others**2))
        fitted = minimize(lambda p, x, e: _deviance(e, p[0] + p[1] * x), [constant, 0.0], args=(values, others)).x
        gains.append(_deviance(error, np.full(len(error), constant)) - _deviance(error, fitted[0] + fitted[1] * value))
    return gains


def _deviance(error: np.ndarray, log_width: np.ndarray) -> float:
    """Return the negative log-likelihood of errors per atom, without its constant."""
    return float(np.mean(log_width + 0.5 * np.square(error * np.exp(-log_width))))


def plot(errors: list[np.ndarray], uncertainties: dict[str, list[np.ndarray]]) -> Figure:
    """Return a plot of the RMS error against the uncertainty, each in ten bins of as many atoms."""
    error = np.concatenate(errors)
    figure = Figure(figsize=(5, 3.5))
    axes = figure.subplots()
    for name, values in uncertainties.items():
        order = np.argsort(np.concatenate(values))
        parts = [part[np.isfinite(error[part])] for part in np.array_split(order, BINS)]
        rms = np.array([np.sqrt(np.mean(error[part] ** 2)) for part in parts])
        axes.errorbar(
            np.arange(BINS) + 1, rms, rms / np.sqrt([2 * len(part) for part in parts]), marker="o", label=name
        )
    axes.axhline(np.sqrt(np.nanmean(error**2)), color="0.6", label="all atoms")
    axes.set(xlabel="bin of uncertainty, from low to high", ylabel="RMS error (eV)", ylim=(0, None))
    axes.legend()
    return figure


if __name__ == "__main__":
    main()
