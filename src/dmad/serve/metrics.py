"""Returns the metrics of the console in the text format of Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

import numpy as np

from dmad.serve.camera_watch import WORKING
from dmad.serve.console import Console
from dmad.serve.event_rows import EventFilter

QUANTILES = (0.5, 0.9, 0.99)
Sample = tuple[dict[str, str], float]


def metrics_text(console: Console) -> str:
    """Return all metrics of the console."""
    return "".join(f"{line}\n" for line in _lines(console))


def _lines(console: Console) -> Iterator[str]:
    cameras = console.watch.status()
    names = [{"camera": one["name"]} for one in cameras]
    for metric, key, about in (
        ("dmad_frames_total", "frames", "Frames received from a camera."),
        ("dmad_frames_dropped_total", "dropped", "Frames left out because this machine is slow."),
        ("dmad_gaps_total", "gaps", "Times without frames."),
    ):
        pairs = [(name, float(one[key])) for name, one in zip(names, cameras, strict=True)]
        yield from metric_lines(metric, "counter", about, pairs)
    up = [(n, float(c["state"] in WORKING)) for n, c in zip(names, cameras, strict=True)]
    yield from metric_lines("dmad_camera_ok", "gauge", "1 if a camera works.", up)
    drift = [
        (name, float(one["drifted"]))
        for name, one in zip(names, cameras, strict=True)
        if one["drifted"] is not None
    ]
    about = "1 if the usual scores have changed since the calibration."
    yield from metric_lines("dmad_drifted", "gauge", about, drift)
    latencies = [
        (one.stored.camera.name, list(one.view.latencies))
        for one in console.watch.all()
        if one.view
    ]
    yield from _summary(
        "dmad_frame_latency_seconds", "Seconds from the camera to the score.", "camera", latencies
    )
    total = console.events.count(EventFilter())
    yield from metric_lines("dmad_events_total", "counter", "Events stored.", [({}, float(total))])
    yield from _stations(console)
    ages = []
    for model in console.models:
        with suppress(OSError):
            age = time.time() - model.files.weights.stat().st_mtime
            ages.append(({"model": model.name}, age))
    yield from metric_lines(
        "dmad_model_age_seconds", "gauge", "Seconds since the weights were written.", ages
    )
    hub = console.hub
    pages: list[Sample] = [({}, float(hub.clients))]
    yield from metric_lines("dmad_open_pages", "gauge", "Pages that receive live messages.", pages)
    lost: list[Sample] = [({}, float(hub.dropped))]
    yield from metric_lines(
        "dmad_messages_dropped_total", "counter", "Messages that slow pages lost.", lost
    )


def _stations(console: Console) -> Iterator[str]:
    stations = [({"model": name}, station) for name, station in console.stations.items()]
    judged = [(label, float(station.judged)) for label, station in stations]
    yield from metric_lines("dmad_parts_total", "counter", "Images judged.", judged)
    refused = [(label, float(station.refused)) for label, station in stations]
    about = "Images refused because too many waited."
    yield from metric_lines("dmad_parts_refused_total", "counter", about, refused)
    waiting = [(label, float(station.waiting)) for label, station in stations]
    yield from metric_lines("dmad_parts_waiting", "gauge", "Images that wait.", waiting)
    seconds = [(label["model"], list(station.seconds)) for label, station in stations]
    about = "Seconds from the arrival of an image to its result."
    yield from _summary("dmad_inspection_seconds", about, "model", seconds)


def metric_lines(name: str, kind: str, about: str, samples: Iterable[Sample]) -> Iterator[str]:
    """Yield the lines of one metric. Without samples, there are no lines.

    Args:
        name: Name of the metric.
        kind: Type of the metric, such as "gauge".
        about: Help text.
        samples: For each sample its labels and its value.
    """
    lines = [f"{name}{_labels(labels)} {value:g}" for labels, value in samples]
    if lines:
        yield f"# HELP {name} {about}"
        yield f"# TYPE {name} {kind}"
        yield from lines


def _summary(
    name: str, about: str, label: str, values: Sequence[tuple[str, Sequence[float]]]
) -> Iterator[str]:
    samples = [
        ({label: owner, "quantile": f"{q:g}"}, float(np.quantile(found, q)))
        for owner, found in values
        if found
        for q in QUANTILES
    ]
    yield from metric_lines(name, "summary", about, samples)


def _labels(labels: dict[str, str]) -> str:
    if not labels:
        return ""
    pairs = (f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return "{" + ",".join(pairs) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
