"""The extrapolation of a glass from the deviations of its statistics."""

import pytest

from tf_symgnn.domain.extrapolation import Deviation, Extrapolation


def found(*scores: float) -> Extrapolation:
    deviations = [Deviation(f"statistic {k}", "", 1.0, 0.0, 0.5, score) for k, score in enumerate(scores)]
    return Extrapolation(deviations)


@pytest.mark.parametrize(
    ("scores", "expected", "named"),
    [
        ((), 0.0, 0),
        ((0.9, 0.0), 0.9, 0),
        ((0.6, 0.8), 1.0, 0),
        ((1.5, 0.0), 1.5, 1),
        ((0.8, 0.7, 0.4, 0.1), (0.64 + 0.49 + 0.16 + 0.01) ** 0.5, 3),
        ((0.29,) * 16, 1.16, 16),
    ],
)
def test_statistics_that_are_a_little_off_add_up(scores, expected, named):
    assert found(*scores).score == pytest.approx(expected)
    assert len(found(*scores).reasons) == named


def test_a_warning_names_the_largest_deviations():
    text = str(found(0.8, 0.7, 0.4, 0.35, 0.1))
    assert text.startswith("outside the training data (extrapolation 1.2): statistic 0 1, training 0 to 0.5; st")
    assert "statistic 2" in text and "statistic 3" not in text
    assert str(found(0.5, 0.2)) == "within the training data (extrapolation 0.5)"
