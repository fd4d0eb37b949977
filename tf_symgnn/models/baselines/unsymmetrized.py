"""SymGNN without symmetrization."""

from __future__ import annotations

import tensorflow as tf

from tf_symgnn.models.symgnn import SymGNN
from tf_symgnn.nn.edge_encoder import EdgeEncoder


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class UnsymmetrizedSymGNN(SymGNN):
    """SymGNN with phi applied to the raw displacement, e_ij = phi(x_ij): the ablation of Li et al. 2024.

    Predictions are not invariant under rotation and reflection.
    """

    def __init__(self, *, width: int = 32, **kwargs):
        super().__init__(width=width, **kwargs)
        self.symmetrization = EdgeEncoder(units=(width, width), name="edge_encoder", dtype=self.dtype_policy)
