import numpy as np

from dmad.evaluation.frame_ledger import build_frame_ledger
from dmad.evaluation.result import CALIBRATED, RAW, Evaluation
from dmad.evaluation.score_file import ScoreSet


def test_the_main_signal_is_the_first_deployable_one():
    values = np.array([0.0, 1, 2, 3])
    scores = ScoreSet({"score": values}, np.array([0, 0, 1, 1], np.uint8), np.array([4]))
    ledger = build_frame_ledger(scores, {RAW: values})
    assert Evaluation(ledger, scores, {RAW: values}, None).signal == RAW
    assert Evaluation(ledger, scores, {CALIBRATED: values, RAW: values}, None).signal == CALIBRATED
