"""Run folders, and models on disk with their cards."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dmad.config import ImageConfig, VideoConfig, config_of_card, plain, restore
from dmad.errors import DmadError
from dmad.files import sha256_of
from dmad.runs import (
    CARD_FORMAT,
    SHIPPED_MODELS,
    ModelFiles,
    Run,
    find_model,
    has_model,
    migrate_card,
    new_run,
    read_card,
    read_config,
    read_weights,
    save_model,
    update_card,
    without_local_paths,
    write_config,
    write_shipped_model,
)

SHIPPED_PED2 = SHIPPED_MODELS[0] / "ped2.safetensors"


@pytest.fixture
def saved(tmp_path, tiny, random_model) -> Run:
    """A run folder with settings and a model, without training."""
    config = tiny(tmp_path / "data")
    run = new_run(config, tmp_path / "runs")
    save_model(run.folder, random_model, {"scenes": [""], "history": [{"epoch": 1}]})
    return run


def write_card(run: Run, changes: dict) -> ModelFiles:
    """Change entries of a card on disk. None removes an entry."""
    card = json.loads(run.card.read_text()) | changes
    run.card.write_text(
        json.dumps({key: value for key, value in card.items() if value is not None})
    )
    return find_model(run.folder)


def test_a_new_run_is_a_folder_of_its_recipe_with_the_settings(tmp_path, tiny) -> None:
    run = new_run(tiny(tmp_path), tmp_path / "runs")
    assert run.folder.parent == tmp_path / "runs" / "video"
    assert read_config(run.folder) == tiny(tmp_path)
    assert [path.name for path in run.folder.iterdir()] == ["config.yaml"]


def test_new_runs_never_share_a_folder(tmp_path, tiny) -> None:
    folders = {new_run(tiny(None), tmp_path).folder for _ in range(20)}
    assert len(folders) == 20


def test_the_run_that_was_started_last_has_a_link(tmp_path, tiny) -> None:
    runs = [new_run(tiny(None), tmp_path) for _ in range(2)]
    assert (tmp_path / "latest").resolve() == runs[1].folder.resolve()
    assert {path.name for path in tmp_path.iterdir()} == {"latest", "video"}


def test_a_folder_named_latest_is_left_alone(tmp_path, tiny) -> None:
    (tmp_path / "latest").mkdir()
    new_run(tiny(None), tmp_path)
    assert not (tmp_path / "latest").is_symlink()


def test_settings_of_a_run_can_be_written_again(tmp_path, tiny) -> None:
    run = new_run(tiny(tmp_path / "before"), tmp_path)
    write_config(tiny(tmp_path / "after"), run)
    assert read_config(run.folder).data.root == tmp_path / "after"


def test_a_folder_without_settings_is_no_run(tmp_path) -> None:
    with pytest.raises(DmadError, match=r"holds no config\.yaml"):
        read_config(tmp_path)


@pytest.mark.parametrize("content", [b"a: [1", b"- 1", b"", b"\xff\xfe\xfa"])
def test_damaged_settings_are_refused(tmp_path, content) -> None:
    (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(DmadError, match=r"config\.yaml is damaged .*; train the model again"):
        read_config(tmp_path)


def test_a_saved_model_is_read_as_it_was(saved, random_model) -> None:
    files = find_model(saved.folder)
    assert files == ModelFiles(saved.folder / "model.safetensors", saved.card)
    torch.testing.assert_close(read_weights(files), dict(random_model.state_dict()))
    card = read_card(files)
    assert card["format"] == CARD_FORMAT
    assert card["history"] == [{"epoch": 1}]
    assert card["versions"].keys() == {"dmad", "torch", "lightning", "python"}
    assert config_of_card(card) == read_config(saved.folder)


def test_a_model_can_be_saved_with_settings_of_its_own(tmp_path, tiny, random_model) -> None:
    save_model(tmp_path, random_model, {"scenes": [""]}, tiny(None, epochs=7))
    assert read_card(find_model(tmp_path))["config"]["train"]["epochs"] == 7


def test_new_weights_remove_what_was_calibrated_with_the_old_ones(saved, random_model) -> None:
    (saved.folder / "model.npz").touch()
    save_model(saved.folder, random_model, {"scenes": [""]})
    assert not (saved.folder / "model.npz").exists()


def test_a_run_has_a_model_once_it_is_saved(tmp_path, tiny, saved) -> None:
    assert has_model(saved.folder)
    started = new_run(tiny(None), tmp_path)
    assert not has_model(started.folder)
    with pytest.raises(DmadError, match=r"has not finished; if it was stopped: dmad train"):
        find_model(started.folder)


@pytest.mark.parametrize("form", ["{run}", "{run}/model.safetensors"])
def test_a_model_is_found_by_its_folder_or_its_file(saved, form) -> None:
    assert find_model(form.format(run=saved.folder)).card == saved.card


@pytest.mark.parametrize("graph", ["model.onnx", "model.xml"])
def test_an_exported_graph_is_found_but_holds_no_weights(saved, graph) -> None:
    (saved.folder / graph).touch()
    files = find_model(saved.folder)
    assert files.weights.name == graph
    with pytest.raises(DmadError, match="exported graph, not weights"):
        read_weights(files)


def test_the_digest_of_an_export_depends_on_all_its_weights(tmp_path) -> None:
    for name in ("model.xml", "model.bin", "background.npy", "model.json"):
        (tmp_path / name).write_bytes(name.encode())
    digests = [find_model(tmp_path).digest]
    for name in ("model.xml", "model.bin", "background.npy"):
        (tmp_path / name).write_bytes(b"others")
        digests.append(find_model(tmp_path).digest)
    assert len(set(digests)) == 4
    (tmp_path / "model.json").write_bytes(b"others")
    assert find_model(tmp_path).digest == digests[-1]


def test_the_digest_of_a_single_file_is_its_hash(saved) -> None:
    (saved.folder / "background.npy").touch()  # only an export has this file
    files = find_model(saved.folder)
    assert files.digest == sha256_of(files.weights)


def test_a_shipped_model_is_found_by_name() -> None:
    files = find_model("ped2")
    assert (files.weights, files.shipped) == (SHIPPED_PED2, True)


def test_an_unknown_name_lists_the_shipped_models(tmp_path) -> None:
    with pytest.raises(DmadError, match=r"no model at nothing; give a run folder.*\(.*ped2"):
        find_model("nothing")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DmadError, match=r"is not a \.safetensors file"):
        find_model(tmp_path / "notes.txt")


def test_a_folder_of_categories_names_them(tmp_path) -> None:
    for name in ("screw", "bottle"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.json").touch()
    with pytest.raises(DmadError, match=r"its folders hold models: .*bottle, .*screw; give one"):
        find_model(tmp_path)


def test_weights_without_their_card_are_refused(saved) -> None:
    saved.card.unlink()
    with pytest.raises(DmadError, match=r"has no model\.json beside it"):
        find_model(saved.folder)


def test_damaged_weights_are_refused(saved) -> None:
    files = find_model(saved.folder)
    files.weights.write_bytes(files.weights.read_bytes()[:-9])
    with pytest.raises(DmadError, match=r"model\.safetensors is damaged"):
        read_weights(files)


def test_a_damaged_card_is_refused(saved) -> None:
    saved.card.write_text("{")
    with pytest.raises(DmadError, match="not valid JSON"):
        read_card(find_model(saved.folder))


def test_a_card_without_settings_is_refused(saved) -> None:
    files = write_card(saved, {"config": None})
    with pytest.raises(DmadError, match=r"holds no \['config'\]"):
        read_card(files)


@pytest.mark.parametrize(
    "change",
    [
        {"scenes": []},
        {"scenes": "gate"},
        {"scenes": [1]},
        {"format": "2"},
        {"config": []},
        {"config": {"data": []}},
        {"config": {"data": {"size": "32"}}},
        {"config": {"data": {"size": 33}}},
        {"config": {"train": {"lr": float("inf")}}},
        {"config": {"form": {}}},
        {"choice": {}},
        {"choice": {"alpha": "high"}},
        {"weighing": []},
        {"history": [1]},
        {"calibration": []},
        {"export": []},
    ],
)
def test_a_card_with_values_of_a_wrong_type_is_refused(saved, change) -> None:
    config = plain(read_config(saved.folder))
    if isinstance(change.get("config"), dict):
        change = {"config": {**config, **change["config"]}}
    with pytest.raises(DmadError, match=r"model\.json") as caught:
        read_card(write_card(saved, change))
    assert "\n" not in str(caught.value)


def test_a_card_of_a_newer_version_is_refused(saved) -> None:
    files = write_card(saved, {"format": CARD_FORMAT + 1})
    with pytest.raises(DmadError, match="update dmad"):
        read_card(files)


def test_a_card_of_the_first_format_names_its_form_afterwards(saved, tiny) -> None:
    """In this format, settings of both forms were stored together, without the form's name."""
    config = plain(read_config(saved.folder))
    del config["form"]
    config["model"] |= {"teacher": "", "teacher_weights": None}
    config["score"] |= {"sigma": 4.0, "backward_only": False, "choose": True}
    card = read_card(write_card(saved, {"format": None, "config": config}))
    assert (card["format"], card["config"]["form"]) == (CARD_FORMAT, "video")
    assert "teacher" not in card["config"]["model"]
    assert restore(card["config"]) == read_config(saved.folder)


def test_a_card_of_images_in_the_first_format_is_known_by_its_teacher(tiny_images) -> None:
    config = plain(tiny_images())
    del config["form"]
    config["model"] |= {"widths": [4, 8], "mask": "encoder"}
    card = migrate_card({"config": config, "scenes": [""]})
    assert card["config"]["form"] == "images"
    assert restore(card["config"]) == tiny_images()


def test_a_shipped_card_and_its_16_bit_weights_load() -> None:
    card = read_card(find_model("ped2"))
    assert isinstance(config_of_card(card), VideoConfig)
    assert card["ledger"]["rows"]
    assert all(tensor.dtype != torch.half for tensor in read_weights(find_model("ped2")).values())


def test_entries_are_written_into_a_card_and_the_others_stay(saved) -> None:
    files = find_model(saved.folder)
    update_card(files, {"calibration": {"threshold": 1.5}, "scenes": ["gate"]})
    card = read_card(files)
    assert card["calibration"] == {"threshold": 1.5}
    assert card["scenes"] == ["gate"]
    assert card["history"] == [{"epoch": 1}]


def test_a_card_to_give_away_has_no_path_of_this_machine(tiny_images) -> None:
    config = tiny_images(start=Path("/home/me/models/first.safetensors"))
    card = {"config": plain(config), "scenes": [""]}
    portable = without_local_paths(card)
    assert str(config.data.root) in json.dumps(card)
    assert os.sep not in json.dumps(portable)
    assert portable["config"]["train"]["start"] == "first.safetensors"
    assert isinstance(restore(portable["config"]), ImageConfig)


def test_a_shipped_model_has_16_bit_weights_and_the_ledger(saved, tmp_path, random_model) -> None:
    (saved.folder / "evaluation").mkdir()
    (saved.folder / "evaluation" / "ledger.json").write_text('{"rows": [1]}')
    path = tmp_path / "models" / "mine.safetensors"
    write_shipped_model(saved.folder, path)
    assert {tensor.dtype for tensor in load_file(path).values()} <= {torch.half, torch.int64}
    card = read_card(find_model(path))
    assert card["ledger"] == {"rows": [1]}
    assert card["config"]["data"]["root"] is None
    own = random_model.state_dict()
    for name, tensor in read_weights(find_model(path)).items():
        torch.testing.assert_close(tensor, own[name], rtol=1e-3, atol=1e-3)


def test_a_card_keeps_the_settings_that_its_model_was_trained_with(saved, tiny) -> None:
    changed = replace(tiny(None), recipe="street")
    write_config(changed, saved)
    assert read_card(find_model(saved.folder))["config"]["recipe"] == "video"
