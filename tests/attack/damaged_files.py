"""Damaged files of dmad are read, or refused with one line. What is read can also be used."""

from __future__ import annotations

import gzip
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from attack.mutations import changed_bytes, changed_tree
from dmad.calibration.calibration import Calibration, read_calibration
from dmad.calibration.held_out import HeldOut
from dmad.config import config_of_card, plain
from dmad.data.cache import load_footage
from dmad.data.footage import ClipSource
from dmad.data.label_files import read_clip_labels, read_table
from dmad.data.layouts.digits import read_idx
from dmad.data.reading.frame_format import FrameFormat
from dmad.errors import DmadError
from dmad.evaluation.ledger_file import read_rows
from dmad.evaluation.score_file import read_scores
from dmad.experiments.grid import read_outcomes
from dmad.inference.loading import _read_templates
from dmad.predict.output_folder import OutputFolder
from dmad.recipes import get
from dmad.runs import SHIPPED_MODELS, ModelFiles, read_card, read_config
from dmad.watch.cameras import read_cameras
from dmad.watch.sinks import FileSink
from dmad.watch.spool import Spool

CARD = json.loads((SHIPPED_MODELS[0] / "ped2.json").read_text())
DATA = config_of_card(CARD).data
TEMPLATES = np.zeros((2, DATA.channels, DATA.size, DATA.size), np.float32)
COUNT = 12  # frames of arrays


def attack(rng: random.Random, folder: Path) -> str:
    """Damage one file and read it."""
    name = rng.choice(list(FILES))
    content, use = FILES[name]
    path = folder / name
    path.write_bytes(damaged(rng, content(folder), path.suffix))
    message = ""
    try:
        use(path)
    except DmadError as error:
        message = str(error)
    assert "\n" not in message, message
    assert len(message) < 2000, message[:3000]
    return name


def damaged(rng: random.Random, content: bytes, suffix: str) -> bytes:
    """Change the values of a tree, or the bytes of any file."""
    if suffix in (".json", ".yaml") and rng.random() < 0.7:
        tree = json.loads(content) if suffix == ".json" else yaml.safe_load(content)
        for _ in range(rng.randint(1, 3)):
            tree = changed_tree(rng, tree)
        text = json.dumps(tree) if suffix == ".json" else yaml.dump(tree)
        return text.encode(errors="surrogatepass")
    if suffix == ".gz" and rng.random() < 0.5:
        return gzip.compress(changed_bytes(rng, gzip.decompress(content)))
    return changed_bytes(rng, content)


def use_calibration(path: Path) -> None:
    """Score frames and find events with a calibration."""
    use(read_calibration(path))


def use(calibration: Calibration) -> None:
    terms = np.linspace(0, 1, COUNT), np.linspace(1, 0, COUNT)
    scores = calibration.score(*terms)
    calibration.events(scores)
    live = calibration.live()
    assert isinstance(live(0.5, 0.5), float)
    calibration.zone.mask(32)


def use_card(path: Path) -> None:
    card = read_card(ModelFiles(path, path))
    config = config_of_card(card)
    assert config.data.size % 1 == 0
    if card.get("calibration"):
        use(Calibration.from_dict(card["calibration"]))


def use_templates(path: Path) -> None:
    templates = _read_templates(path, 2, DATA)
    assert templates.shape[0] == 2


def use_settings(path: Path) -> None:
    plain(read_config(path.parent))


def use_index(path: Path) -> None:
    """Replace the index of a cache by a damaged one."""
    folder = path.parent
    index = index_of(folder)
    index.write_bytes(path.read_bytes())
    footage = load_footage(sources(folder), FrameFormat(16, 1), folder / "cache")
    for clip in footage.clips:
        assert footage.frames[clip.span].shape == (clip.length, 16, 16, 1)


def sources(folder: Path) -> list[ClipSource]:
    clip = folder / "clip"
    if not clip.exists():
        clip.mkdir()
        for index in range(3):
            Image.fromarray(np.full((16, 16), 40 * index, np.uint8)).save(clip / f"{index}.png")
    return [ClipSource("clip", clip)]


def index_of(folder: Path) -> Path:
    load_footage(sources(folder), FrameFormat(16, 1), folder / "cache")
    (index,) = (folder / "cache").glob("*/index.json")
    return index


def use_scores(path: Path) -> None:
    scores = read_scores(path)
    assert len(scores.complete_frames.labels) <= len(scores.labels)


def use_labels(path: Path) -> None:
    assert set(np.unique(read_clip_labels(path).for_clip("clip", COUNT))) <= {0, 1}


def use_table(path: Path) -> None:
    for labels in read_table(path, [ClipSource("a", Path("a")), ClipSource("b", Path("b"))]):
        labels.for_clip("clip", COUNT)


def use_manifest(path: Path) -> None:
    """No file outside the folder, and no file that was changed, is removed."""
    out = path.parent / "out"
    out.mkdir()
    kept = [path.parent / "precious", out / "precious"]
    for file in kept:
        file.write_text("precious")
    path.rename(out / ".dmad-written.jsonl")
    with OutputFolder(out) as output:
        output.remove_earlier()
    assert all(file.exists() for file in kept)


def use_spool(path: Path) -> None:
    """A message that is added after the damage can be read."""
    spool = Spool(path)
    try:
        spool.add(2**60, "new")
        found = spool.read(0, 1000)
        assert found[-1] == (2**60, "new")
        assert [number for number, _ in found] == sorted({number for number, _ in found})
    finally:
        spool.close()


def use_events(path: Path) -> None:
    sink = FileSink(path)
    sink.send("new")
    sink.close()
    assert path.read_bytes().endswith(b"new\n")


def arrays(save: Callable[..., None], **values: Any) -> bytes:
    content = io.BytesIO()
    save(content, **values)
    return content.getvalue()


def scores(save: Callable[..., None]) -> bytes:
    labels = np.repeat([0, 1], COUNT // 2)
    return arrays(save, score=np.arange(COUNT) / 3, labels=labels, clip_lengths=np.array([8, 4]))


def held_out(_: Path) -> bytes:
    terms = {"reconstruction": np.arange(COUNT) / 3, "deformation": np.ones(COUNT)}
    lengths = np.array([8, 4])
    digests = np.array(["a", "b"], "U64")
    return arrays(np.savez, **terms, clip_lengths=lengths, fps=np.array(10.0), digests=digests)


def array(values: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, values)
    return content.getvalue()


def idx(_: Path) -> bytes:
    head = bytes((0, 0, 8, 3)) + b"".join(size.to_bytes(4, "big") for size in (3, 8, 8))
    return gzip.compress(head + bytes(3 * 64))


def spool(folder: Path) -> bytes:
    path = folder / "whole.db"
    whole = Spool(path)
    for number in range(1, 60):
        event = {"kind": "event", "id": f"e{number // 3}", "state": "new", "peak": 1.0}
        whole.add(number, json.dumps(event))
    whole.close()
    return path.read_bytes()


def as_json(tree: Any) -> Callable[[Path], bytes]:
    return lambda _: json.dumps(tree).encode()


def as_yaml(tree: Any) -> Callable[[Path], bytes]:
    return lambda _: yaml.safe_dump(tree).encode()


CAMERAS = {
    "gate": {"source": "a.mp4", "fps": 5, "scene": "s", "exclude": "0,0 1,0 1,1"},
    "yard": {"source": 0, "calibration": "yard.json", "include": [[0, 0], [1, 0], [1, 1]]},
    "door": "rtsp://host/stream",
}
ROW = {"block": "paper", "signal": "score", "metric": "AP", "value": 0.5, "note": ""}
OUTCOME = {"variant": "a", "seed": 0, "figures": {"AP": 0.5}}
EVENT = {"kind": "event", "id": "a-1", "state": "new", "peak": 1.0, "clip": "a.mp4"}
MANIFEST = [["../precious", "0"], ["precious", "0"], ["/etc/hostname", "0"], ["a/b.png", "0"]]

# By the name of the file: its undamaged content, and a function that reads and uses it.
FILES: dict[str, tuple[Callable[[Path], bytes], Callable[[Path], Any]]] = {
    "model.json": (as_json(CARD), use_card),
    "threshold.json": (as_json(CARD["calibration"]), use_calibration),
    "config.yaml": (as_yaml(plain(get("ped2"))), use_settings),
    "cameras.yaml": (as_yaml(CAMERAS), read_cameras),
    "index.json": (lambda folder: index_of(folder).read_bytes(), use_index),
    "background.npy": (lambda _: array(TEMPLATES), use_templates),
    "scores.npz": (lambda _: scores(np.savez), use_scores),
    "packed.npz": (lambda _: scores(np.savez_compressed), use_scores),
    "model.npz": (held_out, HeldOut.read),
    "labels.npy": (lambda _: array(np.repeat([0, 1], COUNT // 2)), use_labels),
    "labels.csv": (lambda _: b"start,end\n1,4\n6,9\n", use_labels),
    "table.csv": (lambda _: b"clip,start,end\na,1,4\nb,6,9\na,10,11\n", use_table),
    "images.gz": (idx, lambda path: read_idx(path.with_suffix(""), 3)),
    "ledger.json": (as_json({"rows": [ROW, ROW]}), read_rows),
    "grid.json": (as_json({"outcomes": [OUTCOME]}), read_outcomes),
    "manifest.jsonl": (
        lambda _: "".join(json.dumps(entry) + "\n" for entry in MANIFEST).encode(),
        use_manifest,
    ),
    "webhook.db": (spool, use_spool),
    "events.jsonl": (lambda _: (json.dumps(EVENT) + "\n").encode() * 3, use_events),
}
