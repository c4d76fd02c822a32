from dataclasses import replace

import numpy as np
import pytest

from dmad.calibration.alarms import AlarmRule
from dmad.errors import DmadError
from dmad.evaluation.frame_ledger import (
    alarm_rows,
    blind_signals,
    build_frame_ledger,
    build_given_ledger,
    paper_rows,
)
from dmad.evaluation.metrics import average_precision, macro_auroc, micro_auroc
from dmad.evaluation.published_protocols import published
from dmad.evaluation.score_file import ScoreSet, read_scores


def blocks_of(ledger) -> list[str]:
    return list(dict.fromkeys(row.block for row in ledger.rows))


def test_a_ledger_has_a_paper_a_deployable_and_a_blind_block(scores):
    values, lengths = scores.channels["gradient"], scores.clip_lengths
    ledger = build_frame_ledger(scores, {"mine": values}, "ped2", {"mine": AlarmRule(0.9, 0.8)})
    assert blocks_of(ledger) == ["paper", "deployable", "blind"]
    assert ledger.value("mine") == micro_auroc(values, scores.labels)
    assert ledger.value("mine", "AP") == average_precision(values, scores.labels)
    macro = macro_auroc(values, scores.labels, lengths)
    assert ledger.value("mine", "macro_AUROC") == macro.value
    assert {row.metric for row in ledger.rows if row.signal == "mine"} > {"event_recall"}
    smooth = published("ped2", scores.channels, lengths)
    assert ledger.value("published ped2 protocol") == micro_auroc(smooth, scores.labels)
    assert ledger.value("constant") == 0.5


def test_there_is_no_blind_block_without_an_order_of_frames(scores):
    values = {"mine": scores.channels["gradient"]}
    assert blocks_of(build_frame_ledger(scores, values, ordered=False)) == ["deployable"]
    single = replace(scores, clip_lengths=np.ones(49, int))
    assert blocks_of(build_frame_ledger(single, values)) == ["deployable"]


def test_given_scores_have_a_block_of_their_own(scores):
    ledger = build_given_ledger(scores, "avenue")
    assert blocks_of(ledger) == ["paper", "given", "blind"]
    expected = micro_auroc(scores.channels["gradient"], scores.labels)
    assert ledger.value("gradient, raw") == expected


def test_given_scores_with_an_unknown_protocol_are_refused(scores):
    with pytest.raises(DmadError, match="no published protocol for 'ped3'; there is one for ped2"):
        build_given_ledger(scores, "ped3")


def test_rows_of_a_protocol_are_named_for_what_is_left_out(scores):
    rows = paper_rows(scores, "ped2")
    values = {row.signal: row.value for row in rows if row.metric == "micro_AUROC"}
    rough = published("ped2", scores.channels, scores.clip_lengths, smooth=False)
    channels = {**scores.channels, "deformation": np.zeros(49)}
    no_deformation = published("ped2", channels, scores.clip_lengths)
    name = "published ped2 protocol"
    assert values[f"{name}, unsmoothed"] == micro_auroc(rough, scores.labels)
    assert values[f"{name}, without deformation"] == micro_auroc(no_deformation, scores.labels)


def test_there_is_no_paper_block_without_a_protocol_or_its_channels(scores):
    assert paper_rows(scores, "street") == []
    partial = replace(scores, channels={"score": scores.labels.astype(float)})
    assert paper_rows(partial, "ped2") == []


def test_alarm_rows_give_false_alarms_recall_and_delay():
    values = np.array([0, 9, 0, 9, 9, 9, 0, 9.0])
    early, late = np.array([[0, 0, 0, 0, 1, 1, 0, 0], [0, 0, 1, 1, 0, 0, 0, 0]])
    scores = ScoreSet({"score": values}, early, np.array([4, 4]), 2.0)
    rate, recall, delay = alarm_rows("mine", values, scores, AlarmRule(5, 5))
    assert (rate.metric, rate.value) == ("false_alarms_per_hour", 3 / (6 / 2 / 3600))
    assert (recall.metric, recall.value) == ("event_recall", 1)
    assert (delay.metric, delay.value) == ("detection_delay_s", 0)
    assert rate.note == "3 in 3 s of normal footage, 90% interval 981.2 to 9304.4"
    assert recall.note == "1 of 1 events"
    *_, delay = alarm_rows("mine", values, replace(scores, labels=late), AlarmRule(5, 5))
    assert delay.value == 0.5


def test_undefined_alarm_figures_are_left_out():
    values = np.array([0.0, 9, 0, 0])
    scores = ScoreSet({"score": values}, np.zeros(4), np.array([4]), 2.0)
    rows = alarm_rows("mine", values, scores, AlarmRule(5, 5))
    assert [row.metric for row in rows] == ["false_alarms_per_hour"]


def test_frames_without_a_score_are_left_out_and_counted(scores, with_gaps):
    gappy = with_gaps(scores)
    ledger = build_frame_ledger(gappy, {"mine": gappy.channels["gradient"]}, "ped2")
    assert ledger.frames_without_score == 6
    complete = gappy.complete_frames
    expected = published("ped2", complete.channels, complete.clip_lengths)
    value = ledger.value("published ped2 protocol")
    assert value == micro_auroc(expected, complete.labels)


def test_a_channel_without_scores_is_refused(scores):
    channels = {**scores.channels, "gradient": np.full(49, np.nan)}
    empty = replace(scores, channels=channels)
    with pytest.raises(DmadError, match="no frame has a score"):
        build_frame_ledger(empty, {"mine": empty.channels["gradient"]}, "ped2")


def test_labels_of_one_kind_are_refused(scores):
    normal = replace(scores, labels=np.zeros(49))
    with pytest.raises(DmadError, match="one kind"):
        build_given_ledger(normal)


def test_there_is_no_macro_figure_if_no_clip_has_scores_of_both_kinds():
    labels = np.array([0, 1, 1, 1, 0, 0])
    values = np.array([np.nan, 3.0, 2.0, 1.0, 0.5, 0.2])
    scores = ScoreSet({"score": values}, labels, np.array([4, 2]), 10.0)
    ledger = build_frame_ledger(scores, {"mine": values})
    assert ledger.value("mine") == 1
    assert "macro_AUROC" not in {row.metric for row in ledger.rows if row.signal == "mine"}


def test_blind_signals_depend_on_the_clip_lengths_only():
    signals = blind_signals(np.array([4, 1, 2]))
    assert signals["frame position t/T"].tolist() == [0, 0.25, 0.5, 0.75, 0, 0, 0.5]
    assert signals["clip centre bump"].tolist() == [-0.5, -0.25, 0, -0.25, -0.5, -0.5, 0]
    assert np.ptp(signals["constant"]) == 0


@pytest.mark.data
def test_the_published_scores_give_the_published_figure(data_root):
    path = data_root / "official_scores" / "ped2.npz"
    if not path.is_file():
        pytest.skip(f"no {path}")
    ledger = build_given_ledger(read_scores(path), "ped2")
    assert ledger.value("published ped2 protocol") == pytest.approx(0.99690, abs=5e-6)
    assert ledger.value("published ped2 protocol, unsmoothed") == pytest.approx(0.98630, abs=5e-6)
    without = ledger.value("published ped2 protocol, without deformation")
    assert without == pytest.approx(0.9905, abs=1e-4)
    assert ledger.value("frame position t/T") == pytest.approx(0.746, abs=0.002)
    assert ledger.value("clip centre bump") == pytest.approx(0.678, abs=0.002)
