"""What the README shows must run."""

import re
from pathlib import Path

import pytest

import dmad
from dmad.cli import main as cli

TEXT = (Path(__file__).parents[1] / "README.md").read_text()


def test_python_block_runs(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    block = re.search(r"```python\n(.*?)```", TEXT, re.S)
    assert block is not None
    names: dict = {}
    exec(block.group(1), names)
    assert names["result"].score.shape == (120,)


@pytest.mark.parametrize("verb", sorted(set(re.findall(r"^dmad (\w+)", TEXT, re.M))))
def test_verbs_exist(verb: str) -> None:
    assert verb in cli.VERBS


def test_unknown_setting_of_a_recipe_is_refused() -> None:
    with pytest.raises(dmad.DmadError, match="no setting"):
        dmad.recipe("street", epoch=3)
    assert dmad.recipe("street", epochs=3, size=128).train.epochs == 3
    with pytest.raises(dmad.DmadError, match="model_background or loss_background"):
        dmad.recipe("street", background=0.0)
    assert dmad.recipe("street", loss_background=0.0).loss.background == 0
    flat = dmad.recipe("street", reductions=(), displacements=())  # neither could go alone
    assert not flat.model.reductions
    with pytest.raises(dmad.DmadError, match=r"model\.mask is 'decodr'; give one of encoder, dec"):
        dmad.recipe("street", mask="decodr")
