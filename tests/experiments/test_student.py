"""Quantiles of Student's t, against SciPy's."""

import numpy as np
import pytest
from scipy import stats

from closeness import assert_close
from edaphos_bridge.errors import InputError
from edaphos_bridge.experiments.student import student_quantile


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9, 0.95, 0.999])
def test_they_are_those_of_scipy(share):
    freedoms = [*range(1, 31), 99, 100, 1000]
    found = [student_quantile(share, df) for df in freedoms]
    assert_close(found, stats.t.ppf(0.5 + share / 2, np.array(freedoms)), 1e-9, 0)


@pytest.mark.parametrize(("share", "df"), [(0.0, 3), (1.0, 3), (0.95, 0), (0.95, 2.5)])
def test_what_is_no_share_and_no_freedom_is_refused(share, df):
    with pytest.raises(InputError, match="must be"):
        student_quantile(share, df)
