from pathlib import Path

import pytest

from dmad.watch.warnings import no_scores_warning, space_warning, too_slow_warning


def test_a_disk_with_room_for_few_films_is_told_beforehand():
    assert space_warning(Path("found"), 10**12) == ""
    warning = space_warning(Path("found"), 10**9)
    assert warning.startswith("found has 1.0 GB free, which is enough for about 50 films")


@pytest.mark.parametrize("state", ["ok", "lost", "unreadable"])
def test_too_few_frames_are_the_reason_if_the_camera_looked_right(state):
    assert no_scores_warning(state, 9, 5) == "none of 9 frames was scored: 5 in a row are needed"


def test_a_fault_of_the_camera_is_the_reason():
    assert no_scores_warning("black", 9, 5).endswith("the last state of the camera was 'black'")


@pytest.mark.parametrize("state", ["blocked", "moved"])
def test_another_view_may_be_the_reason(state):
    assert "give the view a name" in no_scores_warning(state, 9, 5)


def test_a_slow_machine_is_described_by_its_share_of_frames():
    assert "used 8 of 10 frames" in too_slow_warning(8, 2)
