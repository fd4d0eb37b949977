"""Which pairs a prediction depends on, how far to trust that, and what the important structure looks like."""

from tf_symgnn.explaining.explain import Explanation, explain
from tf_symgnn.explaining.masks import MaskSettings
from tf_symgnn.explaining.parts import Parts
from tf_symgnn.explaining.report import check_folder, write_report
from tf_symgnn.explaining.targets import parse_targets

__all__ = ["Explanation", "MaskSettings", "Parts", "check_folder", "explain", "parse_targets", "write_report"]
