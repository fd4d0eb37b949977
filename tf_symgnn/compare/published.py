"""The models that can be compared, with their titles and published Pearson correlations for the table.

The correlations are from the source project's slides and from its article (Li, Zhang, Tang, Bauchy and Sun, ICML 2024,
arXiv:2401.08627), on Cu64Zr36. Their epochs were selected on the test set, unlike those of this protocol.
"""

from __future__ import annotations

from typing import NamedTuple

from tf_symgnn.models.catalog import CATALOG


class Contender(NamedTuple):
    """A model of the table and its published correlations.

    Attributes:
        title: name in the table.
        slides_train: Pearson on the training glasses, from the slides.
        slides_test: Pearson on the test glass, from the slides.
        article_test: Pearson on the test glass, from the article.
    """

    title: str
    slides_train: float | None = None
    slides_test: float | None = None
    article_test: float | None = None


# By name in the catalog, in the order of the table: models of the slides, further models of the article, models that
# practitioners use instead, and this project's default models. Other models of the catalog need no entry here.
_CONTENDERS = {
    "symgnn": Contender("SymGNN", 0.85, 0.78, 0.7859),
    "symgnn_unsymmetrized": Contender("SymGNN without symmetrization", 0.87, 0.71, 0.2669),
    "gcn": Contender("GCN", 0.15, 0.10),
    "gcn_edges": Contender("GCN with edge features", 0.80, 0.71, 0.5123),
    "egnn": Contender("E(n)-equivariant GNN", 0.65, 0.45, 0.2588),
    "mlp": Contender("MLP on type and position", 0.05, 0.03, 0.0575),
    "egat_length": Contender("EGAT on edge length", article_test=0.7264),
    "schnet": Contender("SchNet", article_test=0.7588),
    "mgcn": Contender("MGCN", article_test=0.7352),
    "faenet": Contender("FAENet", article_test=0.6603),
    "symgnn_augmented": Contender("SymGNN with random rotations instead", article_test=0.6614),
    "ridge": Contender("Ridge on structural descriptors"),
    "bapst": Contender("Graph network of Bapst et al."),
    "symgnn_spectral": Contender("SymGNN and ridge on power spectra (default)"),
    "symgnn_physics": Contender("The same with descriptors from the potential"),
    "ridge_physics": Contender("Ridge on descriptors from the potential"),
}


def comparable_models() -> list[str]:
    """Return the names of all models of the catalog and `ridge`, in the order of the table."""
    return [*_CONTENDERS, *(name for name in CATALOG if name not in _CONTENDERS)]


def contender(model: str) -> Contender:
    """Return the table entry of a model; by default, the title is its name and there are no published correlations."""
    return _CONTENDERS.get(model, Contender(model))
