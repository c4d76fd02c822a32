"""Writes footage like CUHK Avenue: generated, encoded as MPEG-4, in the folders of Avenue.

python examples/avenue_like.py OUT --training_hours 1 --testing_hours 2 --workers 2

Clips that are already in OUT are not written again, also if the settings are different.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import av
import numpy as np
from jsonargparse import auto_cli
from scipy.io import savemat

from dmad.data.synthetic.walkway import FPS, HEIGHT, WIDTH, Shot, Split, Walkway, shots

ABNORMAL = 5  # every fifth test clip shows anomalies
MASKS = "ground_truth_demo/testing_label_mask"
SHAKEN = 1  # index of the test clip in which the camera shakes


@dataclass(frozen=True)
class Clip:
    """One clip to write.

    Args:
        out: Folder of the data set.
        split: "training" or "testing".
        index: Number of the clip, from 0.
        walkway: Settings of the footage.
    """

    out: Path
    split: Split
    index: int
    walkway: Walkway

    def write(self) -> None:
        """Write the video, and for a test clip its masks. Clips that exist are left as they are."""
        video = self.out / f"{self.split}_videos" / f"{self.index + 1:02}.avi"
        masks = self.out / MASKS / f"{self.index + 1}_label.mat"
        if video.exists():
            return
        is_test = self.split == "testing"
        frames = shots(
            self.walkway,
            self.split,
            self.index,
            abnormal=is_test and self.index % ABNORMAL == 0,
            shaken=is_test and self.index == SHAKEN,
        )
        volume = np.empty((1, self.walkway.frames), object)
        part = video.with_suffix(".part")
        write_video(part, with_masks(frames, volume))
        if is_test:
            savemat(masks, {"volLabel": volume}, do_compression=True)
        part.rename(video)


def with_masks(frames: Iterable[Shot], volume: np.ndarray) -> Iterator[np.ndarray]:
    """Return the images (H, W, 3), and store the masks in `volume` (1, T)."""
    for t, shot in enumerate(frames):
        volume[0, t] = shot.mask.view(np.uint8)
        yield shot.image


def write_video(path: Path, images: Iterable[np.ndarray]) -> None:
    """Write images (H, W, 3) as MPEG-4 in AVI."""
    options = {"qmin": "3", "qmax": "6"}  # quality: some compression noise
    with av.open(str(path), "w", format="avi") as container:
        stream = container.add_stream("mpeg4", rate=int(FPS), options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode(None))


def make_folders(out: Path) -> None:
    """Make the folders of Avenue."""
    for name in ("training_videos", "testing_videos", MASKS):
        (out / name).mkdir(parents=True, exist_ok=True)


def main(
    out: Path,
    training_hours: float = 0.5,
    testing_hours: float = 0.5,
    clip_seconds: float = 60.0,
    seed: int = 0,
    workers: int = 1,
) -> None:
    """Write a folder that `dmad train avenue --data.root OUT` reads.

    Args:
        out: Folder to write to. Clips that are already there are not written again.
        training_hours: Hours of normal footage, for training and thresholds.
        testing_hours: Hours of test footage. Every fifth clip shows anomalies.
        clip_seconds: Duration of a clip.
        seed: Seed of the footage.
        workers: Number of processes.
    """
    walkway = Walkway(seed=seed, frames=round(clip_seconds * FPS))
    make_folders(out)
    counts: dict[Split, int] = {
        "training": round(training_hours * 3600 / clip_seconds),
        "testing": round(testing_hours * 3600 / clip_seconds),
    }
    clips = [
        Clip(out, split, index, walkway)
        for split, count in counts.items()
        for index in range(count)
    ]
    with get_context("spawn").Pool(workers) as pool:
        for done, _ in enumerate(pool.imap(Clip.write, clips), 1):
            print(f"\r{done} of {len(clips)} clips", end="", flush=True)
    print()


if __name__ == "__main__":
    auto_cli(main)
