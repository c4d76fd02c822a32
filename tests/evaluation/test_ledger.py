import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dmad.calibration.alarms import AlarmRule
from dmad.cli.main import main
from dmad.errors import DmadError
from dmad.evaluation.ledger import (
    Labels,
    Ledger,
    Row,
    alarm_rows,
    blind_signals,
    draw_up,
    of_file,
    paper_rows,
)
from dmad.evaluation.metrics import average_precision, macro_auroc, micro_auroc
from dmad.evaluation.published_protocols import published
from dmad.evaluation.score_file import ScoreSet, read_scores, write_scores
from dmad.evaluation.tables import blocks, footnotes, markdown, show

RANDOM = np.random.default_rng(0)
LENGTHS = np.array([12, 30, 7])
NAMES = ("deformation", "reconstruction", "gradient")
SCORES = ScoreSet({n: RANDOM.random(49) for n in NAMES}, RANDOM.integers(0, 2, 49), LENGTHS, 10.0)


def gappy(scores: ScoreSet) -> ScoreSet:
    """The first two frames of each clip have no score."""
    missing = np.concatenate([np.arange(n) < 2 for n in scores.clip_lengths])
    return replace(
        scores,
        channels={n: np.where(missing, np.nan, v) for n, v in scores.channels.items()},
    )


def test_all_blocks_with_their_metrics():
    values = SCORES.channels["gradient"]
    ledger = draw_up(SCORES, "ped2", {"mine": values}, {"mine": AlarmRule(0.9, 0.8)})
    assert [block.name for block in blocks(ledger.rows)] == ["paper", "deployable", "blind"]
    assert ledger.value("mine") == micro_auroc(values, SCORES.labels)
    assert ledger.value("mine", "AP") == average_precision(values, SCORES.labels)
    macro = macro_auroc(values, SCORES.labels, LENGTHS)
    assert ledger.value("mine", "macro_AUROC") == macro.value
    assert {row.metric for row in ledger.rows if row.signal == "mine"} > {"event_recall"}
    smooth = published("ped2", SCORES.channels, LENGTHS)
    assert ledger.value("published ped2 protocol") == micro_auroc(smooth, SCORES.labels)
    assert ledger.value("constant") == 0.5
    assert "blind" not in [row.block for row in draw_up(SCORES, "", {}, ordered=False).rows]


def test_rows_of_a_protocol_are_what_they_are_called():
    rows = paper_rows(SCORES, "ped2")
    found = {row.signal: row.value for row in rows if row.metric == "micro_AUROC"}
    rough = published("ped2", SCORES.channels, LENGTHS, smooth=False)
    rigid = published("ped2", SCORES.channels | {"deformation": np.zeros(49)}, LENGTHS)
    name = "published ped2 protocol"
    assert found[f"{name}, unsmoothed"] == micro_auroc(rough, SCORES.labels)
    assert found[f"{name}, without deformation"] == micro_auroc(rigid, SCORES.labels)


def test_alarms_are_told_as_they_are():
    values = np.array([0, 9, 0, 9, 9, 9, 0, 9.0])
    early, late = np.array([[0, 0, 0, 0, 1, 1, 0, 0], [0, 0, 1, 1, 0, 0, 0, 0]])
    scores = ScoreSet({"score": values}, early, np.array([4, 4]), 2.0)
    rate, recall, delay = alarm_rows("mine", values, scores, AlarmRule(5, 5))
    assert (rate.metric, rate.value) == ("false_alarms_per_hour", 3 / (6 / 2 / 3600))
    assert (recall.metric, recall.value) == ("event_recall", 1)
    assert (delay.metric, delay.value) == ("detection_delay_s", 0)
    assert rate.note == "3 in 3 s of normal footage"
    assert recall.note == "1 of 1 events"
    *_, delay = alarm_rows("mine", values, replace(scores, labels=late), AlarmRule(5, 5))
    assert delay.value == 0.5


def test_images_are_explained_as_images():
    (block,) = blocks([Row("paper", "a", "image_AUROC", 0.5)])
    assert "category" in block.how_to_read


def test_columns_are_named_for_people():
    names = ("false_positive_rate", "false_alarms_per_hour")
    (block,) = blocks([Row("deployable", "a", name, 0.5) for name in names])
    assert block.columns == ["signal", "false positives", "false alarms/h"]


def test_frames_without_a_score_are_told():
    notes = footnotes(Ledger([], Labels("mine", "0"), 17))
    assert notes == ["frames without a score, left out: 17"]


def test_a_frame_is_known_by_all_its_channels():
    a, b = np.array([np.nan, 1, 2, 3]), np.array([0, 1, np.nan, 3])
    channels = {"score": a, "gradient": b}
    found = ScoreSet(channels, np.array([0, 1, 0, 1]), np.array([2, 2]))
    assert (found.missing, found.known.clip_lengths.tolist()) == (2, [1, 1])


def test_frames_without_a_score_are_left_out_and_counted():
    scores = gappy(SCORES)
    ledger = draw_up(scores, "ped2", {"mine": scores.channels["gradient"]})
    assert ledger.missing == 6
    assert scores.known.clip_lengths.tolist() == [10, 28, 5]
    expected = published("ped2", scores.known.channels, scores.known.clip_lengths)
    found = ledger.value("published ped2 protocol")
    assert found == micro_auroc(expected, scores.known.labels)


def test_brackets_in_the_name_of_a_channel_are_shown(capsys):
    show(draw_up(SCORES, "", {"grad[bold]": SCORES.channels["gradient"]}))
    assert "grad[bold]" in capsys.readouterr().out


def test_a_channel_without_scores_is_refused():
    empty = replace(SCORES, channels={**SCORES.channels, "gradient": np.full(49, np.nan)})
    with pytest.raises(DmadError, match="no frame has a score"):
        draw_up(empty, "ped2", {"mine": empty.channels["gradient"]})


def test_no_macro_figure_where_no_clip_has_scores_of_both_kinds():
    labels = np.array([0, 1, 1, 1, 0, 0])
    values = np.array([np.nan, 3.0, 2.0, 1.0, 0.5, 0.2])
    scores = ScoreSet({"score": values}, labels, np.array([4, 2]), 10.0)
    ledger = draw_up(scores, "", {"mine": values})
    assert ledger.value("mine") == 1
    assert "macro_AUROC" not in {row.metric for row in ledger.rows if row.signal == "mine"}


def test_no_paper_block_without_a_protocol_or_its_channels():
    assert paper_rows(SCORES, "street") == []
    partial = replace(SCORES, channels={"score": SCORES.labels.astype(float)})
    assert paper_rows(partial, "ped2") == []


def test_blind_signals_know_nothing_but_the_lengths():
    signals = blind_signals(np.array([4, 1, 2]))
    assert signals["frame position t/T"].tolist() == [0, 0.25, 0.5, 0.75, 0, 0, 0.5]
    assert signals["clip centre bump"].tolist() == [-0.5, -0.25, 0, -0.25, -0.5, -0.5, 0]
    assert np.ptp(signals["constant"]) == 0


def test_markdown_has_every_figure():
    ledger = draw_up(SCORES, "ped2", {"mine": SCORES.channels["gradient"]})
    page = markdown(ledger, "A title")
    assert page.startswith("# A title")
    assert all(f"{row.value:.4f}" in page for row in ledger.rows)
    assert "clips hold both labels" in page


def test_scores_survive_the_file(tmp_path):
    write_scores(gappy(SCORES), tmp_path / "scores.npz")
    found = read_scores(tmp_path / "scores.npz")
    assert found.clip_lengths.tolist() == LENGTHS.tolist()
    for name in NAMES:
        np.testing.assert_array_equal(found.channels[name], gappy(SCORES).channels[name])


def arrays(**changes):
    found = {"score": RANDOM.random(49), "labels": SCORES.labels, "clip_lengths": LENGTHS}
    return {name: value for name, value in (found | changes).items() if value is not None}


BAD = {
    "scores of another length": (arrays(score=np.zeros(48)), "shape (48,)"),
    "scores of two dimensions": (arrays(score=np.zeros((49, 1))), "shape (49, 1)"),
    "no labels": (arrays(labels=None), "no labels"),
    "no scores": (arrays(score=None), "none of score"),
    "all normal": (arrays(labels=np.zeros(49)), "one kind"),
    "labels of 0 to 9": (arrays(labels=np.arange(49) % 10), "must be 0 or 1"),
    "no score at all": (arrays(score=np.full(49, np.nan)), "no frame has a score"),
    "text": (arrays(score=np.array(["high"] * 49)), "not numbers"),
    "infinite": (arrays(score=np.full(49, np.inf)), "infinite"),
    "endless lengths": (arrays(clip_lengths=np.array([49, np.inf])), "whole"),
    "lengths of halves": (arrays(clip_lengths=np.array([24.5, 24.5])), "whole"),
    "a clip of no frames": (arrays(clip_lengths=np.array([49, 0])), "above 0"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_one_line_and_exit_code_2(name, tmp_path, monkeypatch, capsys):
    content, said = BAD[name]
    np.savez(tmp_path / "scores.npz", **content)
    fails(tmp_path / "scores.npz", said, monkeypatch, capsys)


def fails(path, said, monkeypatch, capsys, *options):
    monkeypatch.setattr("sys.argv", ["dmad", "ledger", str(path), *options])
    with pytest.raises(SystemExit) as stop:
        main()
    told = capsys.readouterr().err
    assert stop.value.code == 2
    assert said in told
    assert told.count("\n") == 1


class Boom:
    """Unpickling one writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_pickled_array_is_refused_and_not_executed(tmp_path, monkeypatch, capsys):
    trap = np.array([Boom(tmp_path / "executed")] * 49, dtype=object)
    np.savez(tmp_path / "scores.npz", **arrays(score=trap))
    fails(tmp_path / "scores.npz", "not a readable .npz", monkeypatch, capsys)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 half an archive"])
def test_files_that_are_no_archive(content, tmp_path, monkeypatch, capsys):
    path = tmp_path / "scores.npz"
    fails(path, "is no file", monkeypatch, capsys)
    path.write_bytes(content)
    fails(path, "not a readable .npz", monkeypatch, capsys)


def test_a_damaged_archive_is_refused(tmp_path, monkeypatch, capsys):
    path = tmp_path / "scores.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("score.npy", b"\x93NUMPY nonsense")
    fails(path, "not a readable .npz", monkeypatch, capsys)


def test_a_single_array_is_refused(tmp_path, monkeypatch, capsys):
    np.save(tmp_path / "scores.npy", np.zeros(3))
    fails(tmp_path / "scores.npy", "not a readable .npz", monkeypatch, capsys)


def test_an_unknown_protocol_is_refused(tmp_path, monkeypatch, capsys):
    write_scores(SCORES, tmp_path / "scores.npz")
    fails(tmp_path / "scores.npz", "'ped3'", monkeypatch, capsys, "--recipe", "ped3")


def test_ledger_writes_json_and_markdown(tmp_path, monkeypatch, capsys):
    write_scores(SCORES, tmp_path / "scores.npz")
    command = ["dmad", "ledger", f"{tmp_path}/scores.npz", "--recipe", "avenue"]
    monkeypatch.setattr("sys.argv", [*command, "--out", f"{tmp_path}/out"])
    monkeypatch.setenv("COLUMNS", "200")  # no title is broken in two
    main()
    tree = json.loads((tmp_path / "out" / "ledger.json").read_text())
    assert {row["block"] for row in tree["rows"]} == {"paper", "given", "blind"}
    assert "published avenue protocol" in capsys.readouterr().out
    assert "published avenue protocol" in (tmp_path / "out" / "ledger.md").read_text()


@pytest.mark.data
def test_published_scores_give_the_published_figure(data_root):
    path = data_root / "official_scores" / "ped2.npz"
    if not path.is_file():
        pytest.skip(f"no {path}")
    ledger = of_file(path, "ped2")
    assert ledger.value("published ped2 protocol") == pytest.approx(0.9969, abs=1e-4)
    assert ledger.value("published ped2 protocol, unsmoothed") == pytest.approx(0.9863, abs=1e-4)
    without = ledger.value("published ped2 protocol, without deformation")
    assert without == pytest.approx(0.9905, abs=1e-4)
    assert ledger.value("frame position t/T") == pytest.approx(0.746, abs=0.002)
    assert ledger.value("clip centre bump") == pytest.approx(0.678, abs=0.002)


def test_errors_name_the_file():
    with pytest.raises(DmadError, match=r"nowhere\.npz"):
        of_file(Path("nowhere.npz"))
