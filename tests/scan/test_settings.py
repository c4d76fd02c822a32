"""The settings of a scan."""

import pytest

from dmad.errors import DmadError
from dmad.scan.settings import JudgeSettings, ScanSettings, WorkerOptions
from dmad.scan.views import ModelCard


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (ScanSettings, {"strongest": -1}),
        (ScanSettings, {"stretch": 0.5}),
        (WorkerOptions, {"threads_per_worker": 0}),
        (WorkerOptions, {"limit_rate": -1.0}),
    ],
)
def test_impossible_settings_are_refused(kind, values):
    with pytest.raises(DmadError, match="or more"):
        kind(**values)


def test_the_settings_of_a_worker_make_its_views(model, tmp_path):
    settings = JudgeSettings(str(model), tmp_path, scene="new")
    assert settings.views(ModelCard.read(str(model))).of("gate").scene == "new"
    assert hash(settings)  # one judge is kept for the settings of a process
