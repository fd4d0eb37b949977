"""SymGNN without symmetrization."""

from __future__ import annotations

import tensorflow as tf

from tf_symgnn.models.symgnn import SymGNN
from tf_symgnn.nn.edge_encoder import EdgeEncoder


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class UnsymmetrizedSymGNN(SymGNN):
    """SymGNN with phi of the displacement itself, e_ij = phi(x_ij): the ablation of Li et al. 2024.

    Predictions are not invariant under rotation and reflection.
    """

    def _make_edge_encoder(self) -> EdgeEncoder:
        units = (self._config["width"], self._config["width"])
        return EdgeEncoder(units=units, name="edge_encoder", dtype=self.dtype_policy)
