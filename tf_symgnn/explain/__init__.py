"""Find the pairs that a prediction depends on, measure the faithfulness of the result, and describe the structure."""

from tf_symgnn.explain.centers import parse_centers
from tf_symgnn.explain.explain import Explanation, explain
from tf_symgnn.explain.masks import MaskSettings
from tf_symgnn.explain.report import check_folder, write_report
from tf_symgnn.explain.result_cache import ResultCache

__all__ = ["Explanation", "MaskSettings", "ResultCache", "check_folder", "explain", "parse_centers", "write_report"]
