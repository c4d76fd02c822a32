import pytest

from dmad.errors import DmadError
from dmad.predict.settings import PredictSettings


@pytest.mark.parametrize("name", ["panels", "fps"])
def test_negative_numbers_are_refused(name):
    with pytest.raises(DmadError, match=rf"predict\.{name} is -1; give 0 or more"):
        PredictSettings(**{name: -1})
