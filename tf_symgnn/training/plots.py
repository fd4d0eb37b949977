"""Pictures of a run: learning curves, parity plots, sampled directions."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from tf_symgnn.data import replacing
from tf_symgnn.training.evaluation import scores
from tf_symgnn.training.regressor import NETWORK_PREFIX


def learning_curves(history: list[dict]) -> Figure:
    """Return loss and Pearson of training and validation against the epoch.

    Of a model with a trained part, training is that part's, and validation is of both.
    """
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    epochs = [row["epoch"] for row in history]
    for axes, key, title in zip(
        figure.subplots(1, 2), ("loss", "pearson"), ("MSE / training variance", "Pearson"), strict=True
    ):
        of_part = f"val_{NETWORK_PREFIX}{key}"
        network = ", network" if of_part in history[-1] else ""
        axes.plot(epochs, [row[key] for row in history], label=f"training{network} (as it goes)")
        if network:
            axes.plot(epochs, [row.get(of_part, np.nan) for row in history], label="validation, network")
        axes.plot(epochs, [row[f"val_{key}"] for row in history], label="validation" + (", model" if network else ""))
        axes.set(xlabel="epoch", ylabel=title)
        axes.grid(alpha=0.3)
        axes.legend()
    return figure


def parity(labels: np.ndarray, predictions: np.ndarray, title: str) -> Figure:
    """Return predicted against true barriers, both f64[N] eV, as a density of atoms; true ones may be NaN.

    The title ends with their Pearson correlation.
    """
    pearson = scores(labels, predictions)["pearson"]
    title += f"\nPearson {'undefined' if pearson is None else f'{pearson:.3f}'}"
    labels, predictions = labels[np.isfinite(labels)], predictions[np.isfinite(labels)]
    figure = Figure(figsize=(4.6, 4.2), layout="constrained")
    axes = figure.subplots()
    low, high = float(min(labels.min(), predictions.min())), float(max(labels.max(), predictions.max()))
    image = axes.hexbin(labels, predictions, gridsize=60, mincnt=1, bins="log", cmap="viridis")
    axes.plot([low, high], [low, high], color="black", linewidth=0.8)
    axes.set(xlabel="true barrier (eV)", ylabel="predicted barrier (eV)", title=title, aspect="equal")
    figure.colorbar(image, ax=axes, label="atoms")
    return figure


def directions(transforms: np.ndarray) -> Figure:
    """Return the images of the x, y and z axes under transforms [K, 3, 3], in a Mollweide projection of the sphere."""
    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axes = figure.subplots(subplot_kw={"projection": "mollweide"})
    half = len(transforms) // 2
    for name, part, marker in (("rotations", transforms[:half], "o"), ("improper", transforms[half:], "x")):
        for axis, color in enumerate(("tab:red", "tab:green", "tab:blue")):
            x, y, z = part[:, axis].T
            label = f"{name}, {'xyz'[axis]}"
            axes.scatter(np.arctan2(y, x), np.arcsin(np.clip(z, -1, 1)), s=9, marker=marker, color=color, label=label)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=6, loc="lower right", ncols=2)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, completely or not at all."""
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=150)


def as_image(figure: Figure) -> tf.Tensor:
    """Return a figure as a batch of one image u8[1, H, W, 4], for TensorBoard."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return tf.image.decode_png(buffer.getvalue(), channels=4)[tf.newaxis]
