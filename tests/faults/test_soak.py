"""A minute of the soak; for longer ones see `tests/faults/soak.py`."""

from __future__ import annotations

import pytest

from tests.faults.conftest import only_full
from tests.faults.soak import soak


@only_full
@pytest.mark.timeout(300)
def test_f39_mixed_load_with_faults_at_a_low_rate_loses_and_leaks_nothing():
    findings = soak(1, seed=3)
    print(findings)
    assert (findings.report.lost, findings.report.strangers) == (0, 0)
    assert findings.leaks == []
    assert findings.errors == []
    assert findings.faults
