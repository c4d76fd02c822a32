"""What README.md and the pages in docs/ show must work."""

import re
from pathlib import Path

import pytest

import dmad
from dmad.cli.experiment import EXPERIMENTS
from dmad.cli.main import VERBS

ROOT = Path(__file__).parents[1]
PAGES = {
    name: (ROOT / name).read_text()
    for name in ("README.md", "docs/guide.md", "docs/deploy.md", "docs/experiments.md")
}
TEXT = "\n".join(PAGES.values())
CONSOLE = "\n".join(re.findall(r"```console\n(.*?)```", TEXT, re.S))


def test_the_python_example_runs(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    block = re.search(r"```python\n(.*?)```", PAGES["README.md"], re.S)
    assert block is not None
    names: dict = {}
    exec(block[1], names)
    assert names["result"].score.shape == names["result"].alarm.shape == (120,)


def test_a_threshold_adds_the_calibrated_score_and_the_alarm(train_held_out, frames_of) -> None:
    run = train_held_out(60)
    dmad.calibrate(run, false_alarms="1/day")
    result = dmad.load(run)(frames_of(5, 12))
    assert result.calibrated.shape == result.alarm.shape == (12,)


@pytest.mark.parametrize("verb", sorted(set(re.findall(r"^dmad (\w+)", CONSOLE, re.M))))
def test_every_verb_in_the_docs_exists(verb: str) -> None:
    assert verb in {*VERBS, "experiment"}


@pytest.mark.parametrize("name", sorted(set(re.findall(r"dmad experiment (\w+)", TEXT))))
def test_every_experiment_in_the_docs_exists(name: str) -> None:
    assert name in EXPERIMENTS


def test_every_experiment_is_in_the_docs() -> None:
    page = PAGES["docs/experiments.md"]
    assert [name for name in EXPERIMENTS if f"dmad experiment {name}" not in page] == []
