import numpy as np
import pytest

from dmad.errors import DmadError
from dmad.evaluation.summary import Series


def test_parts_of_a_series_have_one_length():
    three = np.zeros(3)
    assert Series("a", three, three, three, None, None).name == "a"
    with pytest.raises(DmadError, match=r"clip a has parts of \[3, 3, 2\] frames"):
        Series("a", three, three, np.zeros(2), None, [])
    with pytest.raises(DmadError, match=r"clip a has parts of \[3, 3, 3, 4\] frames"):
        Series("a", three, three, three, np.zeros(4), [])
