"""Glass -> neighbor list -> GraphTensor -> tf.data stream of whole glasses or patches."""

import lazy_loader

# Imported on first use: the server needs neighbor lists and not TF-GNN. `__init__.pyi` lists them.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
