import pytest

from dmad.errors import DmadError
from dmad.watch.settings import WatchSettings


@pytest.mark.parametrize(
    ("name", "value"), [("before", -1), ("after", -1), ("every", -1), ("every", 0)]
)
def test_negative_times_are_refused(name, value):
    with pytest.raises(DmadError, match=f"{name} is {value}"):
        WatchSettings(**{name: value})


def test_a_film_may_hold_its_event_alone():
    assert WatchSettings(before=0, after=0).before == 0
