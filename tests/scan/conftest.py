"""Films, an archive and a small model with a threshold for the tests of a scan."""

import shutil
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow.dataset as ds
import pytest

from dmad.runs import find_model, update_card
from dmad.scan.scan import ScanRequest, ScanResult, scan
from dmad.scan.settings import ScanSettings, WorkerOptions

ODD = {*range(17, 24), *range(66, 93)}  # frames


@pytest.fixture(scope="session")
def model(tmp_path_factory, trained, calibration_of) -> Path:
    """A run folder of a tiny video model with a threshold that many frames reach."""
    folder = tmp_path_factory.mktemp("scan-model") / "run"
    shutil.copytree(trained, folder)
    calibration = calibration_of(0.8, window=4)
    update_card(find_model(folder), {"calibration": calibration.to_dict()})
    return folder


@pytest.fixture(scope="session")
def write_film(frames_of) -> Callable[..., Path]:
    """Writes a film of a square that crosses a still background, 10 frames per second.

    In the frames of `ODD`, there is a checkerboard. `times` are the times of its frames in
    milliseconds; `group` is the distance of keyframes.
    """

    def write(
        path: Path,
        count: int = 40,
        seed: int = 0,
        group: int = 10,
        times: Sequence[int] | None = None,
        codec: str = "libx264",
        **options: str,
    ) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=10)
            stream.width = stream.height = 64
            stream.pix_fmt = "yuv420p"
            stream.codec_context.gop_size = group
            ticks = 10 if path.suffix == ".avi" else 1000  # AVI has a place for each tick
            stream.codec_context.time_base = Fraction(1, ticks)
            stream.options = {"preset": "ultrafast", "crf": "20", **options}
            for index, frame in enumerate(frames_of(seed, count)):
                if index in ODD:
                    frame[8:24, 8:24, 0] = 255 * (np.indices((16, 16)).sum(0) % 2)
                image = np.repeat(frame.repeat(2, 0).repeat(2, 1), 3, 2)
                picture = av.VideoFrame.from_ndarray(image, format="rgb24")
                picture.pts = times[index] if times is not None else 100 * index
                picture.time_base = Fraction(1, 1000)
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
        return path

    return write


@pytest.fixture
def run_scan(tmp_path) -> Callable[..., ScanResult]:
    """Scans an archive in this process; `options` are fields of `WorkerOptions`."""

    def run(
        model: Path,
        archive: Path | Sequence[Any],
        name: str = "out",
        resume: bool = False,
        options: WorkerOptions | None = None,
        **settings: Any,
    ) -> ScanResult:
        archives = [archive] if isinstance(archive, Path | str) else archive
        out = tmp_path / name
        chosen = ScanSettings(out, **{"strongest": 0, **settings})
        request = ScanRequest.new(str(model), [str(one) for one in archives], chosen)
        if resume:
            request = ScanRequest.read(out)
        return scan(request, options or WorkerOptions(workers=1), resume)

    return run


@pytest.fixture(scope="session")
def rows_of() -> Callable[..., list[dict[str, Any]]]:
    """Reads the scores of a scan, in the order of their paths and frames."""

    def read(folder: Path) -> list[dict[str, Any]]:
        table = ds.dataset(folder / "scores", partitioning="hive").to_table()
        return sorted(table.to_pylist(), key=lambda row: (row["path"], row["frame"]))

    return read
