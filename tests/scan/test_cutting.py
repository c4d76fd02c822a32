"""Which films are cut."""

from dataclasses import replace

import pytest

from dmad.scan.archive import ArchiveSource, identity_of
from dmad.scan.cutting import Cutter
from dmad.scan.plan import Task
from dmad.scan.views import ModelCard, Views


@pytest.fixture
def cutter(model):
    read = ModelCard.read(str(model))
    return Cutter(read, Views(read.scenes, read.calibration), 2.0)


def test_the_past_is_that_of_the_model_and_of_its_score(cutter):
    assert cutter.past("gate") == 4 + 4 - 1


def test_only_long_films_and_folders_are_cut(cutter, write_film, write_clip, tmp_path):
    assert len(cutter.cut(write_film(tmp_path / "long.mp4", 60), "gate")) == 3
    assert cutter.cut(write_film(tmp_path / "short.mp4", 25), "gate") == ()
    assert len(cutter.cut(write_clip(tmp_path / "long", 0, 60), "gate")) == 3
    assert cutter.cut(write_clip(tmp_path / "short", 0, 25), "gate") == ()


def test_a_film_whose_template_comes_from_its_past_is_not_cut(cutter, write_film, tmp_path):
    other = Views(cutter.model.scenes, cutter.model.calibration, scene="new")
    path = write_film(tmp_path / "long.mp4", 60)
    assert Cutter(cutter.model, other, 2.0).cut(path, "gate") == ()


def test_the_result_of_a_cut_film_holds_its_stretches(cutter, write_film, tmp_path):
    path = write_film(tmp_path / "2026-03-01_10-00-00.mp4", 60)
    task = Task.of([ArchiveSource(str(path), *identity_of(str(path)), "gate")])
    info = cutter.info(task)
    assert len(info.stretches) == 3
    assert (info.sources[0].fps, info.sources[0].recorded) == (10.0, "2026-03-01T10:00:00")
    assert cutter.info(replace(task, stretch=info.stretches[0])) is None
