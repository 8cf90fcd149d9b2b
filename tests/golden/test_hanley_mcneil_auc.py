"""109 CT images rated 1 to 5: Hanley, McNeil (1982), Radiology 143, table I.

The area .8932, its DeLong standard error .0307 and the normal interval .83295 to .95339 of these data are printed in
the Stata Base Reference Manual, entry `roctab`.
"""

import numpy as np
import pytest

from netlift.evaluation.churn.metrics import Placements, roc_auc
from netlift.evaluation.influence import Clusters

NORMAL = np.repeat([1, 2, 3, 4, 5], [33, 6, 6, 11, 2])
ABNORMAL = np.repeat([1, 2, 3, 4, 5], [3, 2, 2, 11, 33])
Y = np.concatenate([np.zeros(len(NORMAL)), np.ones(len(ABNORMAL))])
RATING = np.concatenate([NORMAL, ABNORMAL])


def test_the_area_and_its_delong_error_are_the_published_ones():
    placements = Placements.of(Y, RATING)
    error = placements.error(Clusters.of(np.arange(len(Y))))
    assert placements.area == pytest.approx(0.8932, abs=5e-5)
    assert error == pytest.approx(0.0307, abs=5e-5)
    assert placements.area - 1.959964 * error == pytest.approx(0.83295, abs=5e-6)
    assert placements.area + 1.959964 * error == pytest.approx(0.95339, abs=5e-6)


def test_our_interval_stays_inside_zero_and_one_and_is_of_the_same_width():
    estimate = roc_auc(Y, RATING, customer=np.arange(len(Y)), level=0.95)
    assert 0 < estimate.ci_lower < estimate.point < estimate.ci_upper < 1
    assert estimate.ci_upper - estimate.ci_lower == pytest.approx(0.95339 - 0.83295, rel=0.03)
