"""Which pairs a prediction depends on, how far to trust that, and what the important structure looks like."""

from tf_symgnn.explain.explain import Explanation, explain
from tf_symgnn.explain.masks import MaskSettings
from tf_symgnn.explain.parts import Parts
from tf_symgnn.explain.report import check_folder, write_report
from tf_symgnn.explain.targets import parse_targets

__all__ = ["Explanation", "MaskSettings", "Parts", "check_folder", "explain", "parse_targets", "write_report"]
