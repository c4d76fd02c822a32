import re

from waiting import until

from dmad.serve.metrics import metric_lines, metrics_text
from dmad.watch.cameras import Camera

LINE = re.compile(r'(# (HELP|TYPE) \w+ .+|\w+({\w+="[^"]*"(,\w+="[^"]*")*})? [-+.e\d]+)')


def test_all_numbers_are_in_the_format_of_prometheus(
    make_console, video_model, image_model, event, tmp_path
):
    camera = Camera(str(tmp_path / "none.mp4"), "gate")
    console = make_console(video_model, image_model, cameras=[camera])
    console.events.add(event())
    console.stations["discs"].seconds.extend([0.1, 0.2, 0.3])
    lines = metrics_text(console).splitlines()
    assert all(LINE.fullmatch(line) for line in lines)
    assert 'dmad_camera_ok{camera="gate"} 0' in lines
    assert "dmad_events_total 1" in lines
    assert 'dmad_inspection_seconds{model="discs",quantile="0.5"} 0.2' in lines
    assert any(line.startswith('dmad_model_age_seconds{model="tiny"}') for line in lines)


def test_a_recording_that_has_ended_is_no_fault(make_console, video_model, clip):
    console = make_console(video_model, cameras=[Camera(str(clip()), "gate")])
    until(lambda: console.watch.status()[0]["state"] == "ended")
    assert 'dmad_camera_ok{camera="gate"} 1' in metrics_text(console)
    assert console.health()["status"] == "ok"


def test_names_are_escaped():
    lines = list(metric_lines("a", "gauge", "b", [({"camera": 'say "hi"\\\n'}, 1.0)]))
    assert lines[-1] == 'a{camera="say \\"hi\\"\\\\\\n"} 1'
    assert list(metric_lines("a", "gauge", "b", [])) == []
