"""`dmad watch`."""

import json
import shutil

import pytest

from dmad import api


@pytest.fixture
def own_run(trained, write_clip, tmp_path):
    """A copy of the trained run with a threshold."""
    run = shutil.copytree(trained, tmp_path / "run")
    normal = [write_clip(tmp_path / "normal" / str(seed), seed, 40) for seed in (1, 2)]
    api.calibrate(run, footage=normal, false_alarms="30/hour", fps=10)
    return run


def test_watch_prints_each_event_as_a_line_of_json(dmad, own_run, clips, tmp_path):
    code, out, err = dmad("watch", own_run, clips / "clip0", "--out", tmp_path / "found")
    assert code == 0, err
    assert out == (tmp_path / "found" / "events.jsonl").read_text()
    assert json.loads(out.splitlines()[-1])["kind"] == "count"


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (["--webhook", "host"], "give http(s)://host/path"),
        (["--fps", "-1"], "fps is -1"),
        (["--exclude", "0,0"], "cannot read the polygon"),
        (["--every", "0"], "every is 0"),
    ],
)
def test_a_wrong_option_is_one_line(refused, own_run, clips, options, hint):
    assert hint in refused("watch", own_run, clips / "clip0", *options)


def test_options_of_one_camera_are_refused_for_a_file_of_many(refused, own_run, tmp_path):
    (tmp_path / "cameras.yaml").write_text("gate: gate.mp4")
    line = refused("watch", own_run, tmp_path / "cameras.yaml", "--scene", "gate")
    assert "scene" in line


def test_the_help_says_where_undelivered_messages_are(dmad):
    _, out, _ = dmad("watch", "--help")
    text = "the folder `spool` in the folder --out; without --out, in the current folder"
    assert text in " ".join(out.split())
