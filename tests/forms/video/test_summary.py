"""What the page of an evaluation of video shows."""

from dataclasses import replace

import numpy as np
import pytest

from dmad.calibration.alarms import Event
from dmad.config import plain
from dmad.data.footage import LabelledFootage, footage_from_arrays
from dmad.evaluation.result import CALIBRATED, RAW
from dmad.forms.video.evaluation import evaluate
from dmad.forms.video.pictures import DEFORMATION, FRAME, HEAT, REFERENCE, ColourScale
from dmad.forms.video.summary import (
    CheckedEvent,
    alarms,
    cost_table,
    events_to_draw,
    events_without_alarm,
    fingerprint,
    headline,
    highest_events,
    missed_table,
    panels,
    result_tables,
    roc_curves,
    series,
    stand_in_rule,
    subtitle,
    summarise,
    threshold_notes,
)
from dmad.inference.detector import Detector


@pytest.fixture
def detector(random_model, tiny, make_detector) -> Detector:
    return make_detector(random_model, tiny(None))


@pytest.fixture
def with_threshold(detector, calibration_of) -> Detector:
    """The detector with a threshold below every score, so that each clip is one event."""
    return detector.with_calibration(replace(calibration_of(1e-4), warnings=("Only one clip.",)))


@pytest.fixture
def two(frames_of) -> LabelledFootage:
    """Two clips of ten frames, the last three of each abnormal."""
    footage = footage_from_arrays([frames_of(1, 10), frames_of(2, 10)], 10.0)
    return LabelledFootage(footage, np.tile([0] * 7 + [1] * 3, 2).astype(np.uint8), "mine")


def card(detector: Detector) -> dict:
    return {"config": plain(detector.config), "history": [{"epoch": 1, "total": 0.5}]}


def test_a_report_shows_the_threshold_and_its_events(with_threshold, two) -> None:
    evaluation = evaluate(with_threshold, two)
    report = summarise("mine", with_threshold, two, evaluation, card(with_threshold))
    assert (report.title, report.threshold, report.fps) == ("video / mine", 1e-4, 10)
    assert [clip.events for clip in report.series] == [[(4, 10)], [(4, 10)]]
    assert len(report.panels) == 2
    assert [name for name, _, _ in report.roc] == [CALIBRATED, RAW]
    assert report.alarms is not None
    assert report.notes == ["Only one clip."]
    assert report.history == [{"epoch": 1, "total": 0.5}]
    assert report.settings == plain(with_threshold.config)


def test_a_report_without_threshold_shows_no_events(detector, two) -> None:
    evaluation = evaluate(detector, two)
    report = summarise("mine", detector, two, evaluation, card(detector))
    assert report.threshold is None
    assert report.alarms is None
    assert [clip.events for clip in report.series] == [None, None]
    assert [name for name, _, _ in report.roc] == [RAW]
    assert "dmad calibrate" in report.notes[0]


def test_the_subtitle_names_the_test_split_and_the_training(detector, two) -> None:
    assert subtitle(detector, two) == (
        "2 test clips, 20 frames at 10 per second; 32 pixels, 1 epochs, seed 0"
    )
    unknown = replace(two, footage=footage_from_arrays([two.footage.frames]))
    assert "20 frames;" in subtitle(detector, unknown)


def test_the_published_protocol_is_folded_unless_the_data_is_published(detector, two) -> None:
    evaluation = evaluate(detector, two)
    names = [table.title for table in result_tables(evaluation, "ped2")[0]]
    assert result_tables(evaluation, "ped2")[1] == []
    tables, folded = result_tables(evaluation, "video")
    assert sorted(table.title for table in tables) == sorted(names)
    assert folded == ["paper"]
    assert "paper" not in names or tables[-1].title == "paper"


def test_the_stand_in_rule_is_above_ordinary_scores() -> None:
    scores = np.array([np.nan, 1.0, 2.0, 3.0, 2.0, 1.0, 3.0, 50.0])
    rule = stand_in_rule(scores)
    assert rule.on == rule.off == pytest.approx(2 + 3 * 1.4826)


def test_the_headline_holds_what_an_operator_notices(with_threshold, detector, two) -> None:
    evaluation = evaluate(with_threshold, two)
    titles = [title for _, title, _ in headline(evaluation)]
    assert titles == ["micro AUROC, deployable", "events found", "false alarms an hour", "delay"]
    (auroc, _, signal), (found, _, _), *_ = headline(evaluation)
    assert auroc == f"{evaluation.ledger.value(CALIBRATED):.3f}"
    assert (found, signal) == ("100%", CALIBRATED)
    assert len(headline(evaluate(detector, two))) == 1


def test_a_series_holds_the_timelines_of_its_clip(with_threshold, two) -> None:
    evaluation = evaluate(with_threshold, two)
    events = [Event(4, 8, 7, 1.0, 5), Event(15, 20, 17, 1.0, 16)]
    shown = series(two.footage.clips[1], evaluation, events)
    assert (shown.name, shown.events) == (two.footage.clips[1].name, [(5, 10)])
    np.testing.assert_array_equal(shown.score, evaluation.deployable[CALIBRATED][10:])
    np.testing.assert_array_equal(shown.reconstruction, evaluation.scores.channels["eq12"][10:])
    np.testing.assert_array_equal(shown.labels, two.labels[10:])


def test_terms_without_threshold_are_standardised_by_the_test_split(detector, two) -> None:
    shown = series(two.footage.clips[0], evaluate(detector, two), None)
    assert shown.events is None
    assert abs(np.nanmedian(shown.reconstruction)) < 3


def test_a_panel_has_a_tile_for_each_title(detector, two) -> None:
    test = two
    wide = tuple(replace(clip, aspect=1.5) for clip in test.footage.clips)
    test = replace(test, footage=replace(test.footage, clips=wide))
    event, scale = CheckedEvent(17, 20, 18, 1.5, "found"), ColourScale(detector.config, 1.0)
    (panel,) = panels(detector, test, [event], scale)
    titles = (FRAME, REFERENCE, DEFORMATION, HEAT)
    assert panel.tiles == [title.replace("\n", " ") for title in titles]
    assert panel.image.shape[1] == len(panel.tiles) * round(1.5 * 256)
    assert panel.title == f"{two.footage.clips[1].name}, frame 8 (0.8 s)"
    assert panel.caption == "found; score 1.50, 3 frames"


def test_missed_events_come_first_then_false_alarms_then_found_events(two) -> None:
    def events(start: int) -> list[Event]:
        return [Event(start, start + 1, start, float(score), start) for score in range(8)]

    missed = [CheckedEvent(9, 10, 9, 0.5, "missed: no alarm")]
    shown = events_to_draw(missed, [*events(8), *events(5)], two.labels)
    assert [event.verdict.split(":")[0] for event in shown] == (
        ["missed"] + 6 * ["false alarm"] + 6 * ["found"]
    )
    assert [event.score for event in shown] == [0.5, *(2 * [7, 6, 5, 4, 3, 2])]


def test_without_a_threshold_only_the_highest_scores_are_shown(two) -> None:
    events = [Event(start, start + 1, start, start / 2, start) for start in range(4, 20)]
    shown = highest_events(events, two.labels)
    assert [event.peak for event in shown] == [19, 18, 17, 16, 15, 14]
    assert {event.verdict for event in shown} == {"labelled abnormal", "labelled normal"}


def test_missed_events_are_listed_with_their_place(with_threshold, two, calibration_of) -> None:
    silent = with_threshold.with_calibration(calibration_of(1e6))
    evaluation = evaluate(silent, two)
    missed = events_without_alarm(evaluation, [])
    scores = evaluation.deployable[CALIBRATED]
    assert {(event.start, event.end) for event in missed} == {(7, 10), (17, 20)}
    for event in missed:
        assert event.score == scores[event.peak] == scores[event.start : event.end].max()
    assert missed[0].score >= missed[1].score
    (table,) = missed_table(missed, two, 10.0)
    (second,) = [row for row in table.rows if row[0] == two.footage.clips[1].name]
    assert second[1:3] == ["7 to 9", "0.7 s"]
    assert missed_table([], two, 10.0) == []
    report = summarise("mine", silent, two, evaluation, card(silent))
    assert report.tables[0].title == "missed events"
    assert [panel.caption.split(":")[0] for panel in report.panels] == ["missed", "missed"]


def test_the_cost_of_thresholds_is_measured_on_the_test_set(with_threshold, detector, two) -> None:
    evaluation = evaluate(with_threshold, two)
    (table,) = cost_table(evaluation)
    assert [row[0] for row in table.rows] == [
        *("6e-05", "8e-05", "0.0001 (in use)", "0.000125", "0.00016")
    ]
    in_use = table.rows[2]
    rows = {row.metric: row for row in evaluation.ledger.rows if row.signal == CALIBRATED}
    assert float(in_use[1]) == rows["event_recall"].value == 1
    assert float(in_use[4]) == pytest.approx(rows["false_alarms_per_hour"].value, abs=0.05)
    assert cost_table(evaluate(detector, two)) == []
    timeless = replace(evaluation, scores=replace(evaluation.scores, fps=0.0))
    assert cost_table(timeless) == []


def test_a_higher_threshold_costs_fewer_false_alarms_and_finds_less(
    detector, two, calibration_of
) -> None:
    terms = evaluate(detector, two).scores.channels
    middle = float(np.nanmedian(terms["eq12"] + 0.5 * terms["eq13"]))
    evaluation = evaluate(detector.with_calibration(calibration_of(middle, minimum=1)), two)
    (table,) = cost_table(evaluation)
    found = [float(row[1]) for row in table.rows]
    assert found == sorted(found, reverse=True)
    assert found[0] > found[-1]


def test_false_alarms_need_a_threshold_and_a_frame_rate(detector, with_threshold, two) -> None:
    evaluation = evaluate(with_threshold, two)
    false_per_hour, recall = alarms(evaluation, evaluation.calibration.rule)
    assert len(false_per_hour) == len(recall)
    assert recall.max() == 1
    timeless = replace(evaluation, scores=replace(evaluation.scores, fps=0.0))
    assert alarms(timeless, evaluation.calibration.rule) is None
    assert alarms(evaluate(detector, two), evaluation.calibration.rule) is None


def test_roc_curves_rise_from_zero_to_one(detector, two) -> None:
    ((name, false_positives, true_positives),) = roc_curves(evaluate(detector, two), [RAW])
    assert name == RAW
    for rates in (false_positives, true_positives):
        assert (rates[0], rates[-1]) == (0, 1)
        assert (np.diff(rates) >= 0).all()


def test_the_fingerprint_names_labels_data_and_versions(detector, two) -> None:
    evaluation = evaluate(detector, two)
    found = fingerprint(evaluation, {})
    assert found["labels"] == f"mine, sha256 {evaluation.ledger.labels.sha256}"
    assert found["precision"] == "32-true"
    assert "training data" not in found
    card = {"data": {"frames": 16, "sha256": "a1"}, "versions": {"torch": "2.6"}}
    found = fingerprint(evaluation, card | {"precision": "bf16-mixed"})
    assert found["training data"] == "16 frames, sha256 a1"
    assert (found["torch"], found["precision"]) == ("2.6", "bf16-mixed")


def test_notes_are_those_of_the_threshold(detector, with_threshold, two) -> None:
    assert threshold_notes(evaluate(with_threshold, two)) == ["Only one clip."]
    assert "no threshold yet" in threshold_notes(evaluate(detector, two))[0]
