"""Lines for people."""

from dataclasses import replace

from dmad.watch.cameras import Camera
from dmad.watch.messages import CountMessage
from dmad.watch.status import start_line, summary_line

COUNTS = CountMessage(
    source="gate",
    time=60.0,
    state="ok",
    frames=600,
    scored=590,
    dropped=0,
    gaps=0,
    gap_seconds=0.0,
    events=2,
    median=0.1,
    drifted=False,
    threshold=6.0,
)


def test_the_start_line_names_model_threshold_view_and_receivers(detector):
    detector.name = "runs/yard"
    line = start_line(detector, Camera("film.mp4", "gate"), ["standard output"])
    threshold = f"threshold {detector.calibration.threshold:.2f} (budget "
    assert line.startswith(f"gate: model runs/yard; {threshold}")
    assert "; the view of the training; " in line
    assert line.endswith("; messages go to standard output")


def test_the_start_line_says_that_a_view_is_new_and_that_several_receivers_get_messages(detector):
    camera = Camera("film.mp4", "gate", scene="yard", fps=5)
    line = start_line(detector, camera, ["the webhook", "out/events.jsonl", "standard output"])
    assert "view 'yard'" in line
    assert "5 frames per second" in line
    assert line.endswith("the webhook, out/events.jsonl and standard output")


def test_the_summary_names_what_was_counted():
    assert summary_line(COUNTS) == "gate: ok, 600 frames, 590 scored, 2 events"


def test_the_summary_names_troubles():
    troubled = replace(COUNTS, state="lost", dropped=5, gaps=2, gap_seconds=7.4, drifted=True)
    assert summary_line(troubled) == (
        "gate: lost, 600 frames, 590 scored, 5 dropped, 2 gaps of 7 s in all, 2 events, the usual "
        "score has changed since the calibration"
    )
