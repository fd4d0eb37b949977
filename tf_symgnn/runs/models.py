"""The model of a run's configuration."""

from __future__ import annotations

from collections.abc import Sequence

from tf_symgnn.config import RunConfig
from tf_symgnn.data import LabelScaling
from tf_symgnn.models.base import BarrierModel
from tf_symgnn.models.catalog import Setting, build_model


def configured_model(config: RunConfig, species: Sequence[int], scaling: LabelScaling) -> BarrierModel:
    """Return the model of a configuration, with fresh weights.

    Args:
        config: of the run.
        species: atomic numbers of the training glasses.
        scaling: mean and standard deviation of the training labels, eV.

    Raises:
        InputError: the configuration's model is not in the catalog.
    """
    setting = Setting(
        species=species,
        scaling=scaling,
        cutoff=config.graph.cutoff,
        seed=config.seed,
        precision=config.precision,
    )
    return build_model(config.model, config.network, setting)
