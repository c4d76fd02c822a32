"""`dmad watch`: cameras, streams and files, judged together by one model as their frames come."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace

from dmad.errors import brief, require
from dmad.inference.detector import Detector
from dmad.inference.streaming import push_all
from dmad.watch.camera_worker import Post, Wanted
from dmad.watch.cameras import Camera
from dmad.watch.sinks import Sink

logger = logging.getLogger(__name__)

IDLE = 0.2  # seconds after which cameras without a frame are looked at again


def watch(
    detector: Detector, cameras: Sequence[Camera], sinks: Sequence[Sink], wanted: Wanted
) -> int:
    """Judge cameras until all have ended, or Ctrl-C; tell of events, health and counts.

    Args:
        detector: A model of video.
        cameras: Each has its own past, template, calibration and zone.
        sinks: Each gets every line; closed at the end.
        wanted: What else to write.

    Returns:
        Events.

    Raises:
        DmadError: A model of images, no threshold, a source that is not there, or not one source
            gave a frame.
    """
    require(
        not detector.config.model.teacher,
        "this is a model of single images; use `dmad predict`, or train one of video to watch",
    )
    wake = threading.Event()
    full = set[Sink]()

    def tell(line: str) -> None:
        for sink in sinks:
            try:
                sink.put(line)
                full.discard(sink)
            except BrokenPipeError:  # nobody reads standard output any more
                raise
            except OSError as error:  # a full disk is no reason to stop
                if sink not in full:
                    logger.warning(f"a line could not be written: {brief(error)}")
                full.add(sink)

    with ExitStack() as stack:
        for sink in sinks:
            stack.callback(sink.close)
        posts = list[Post]()
        for camera in cameras:
            posts.append(post := Post(detector, camera, tell, wanted, wake))
            stack.callback(post.close)
        with suppress(KeyboardInterrupt):
            _judge_all(posts, wake)
        for post in posts:  # so that none waits for another
            post.source.stop()
    problems = [post.problem for post in posts if post.problem]
    require(any(post.frames for post in posts) or not problems, "".join(problems[:1]))
    return sum(post.count for post in posts)


def _judge_all(posts: Sequence[Post], wake: threading.Event) -> None:
    """Judge whatever has come, all cameras in one batch, until none is left."""
    while open_posts := [post for post in posts if not post.source.done]:
        came = [(post, shot) for post in open_posts if (shot := post.take()) is not None]
        good = [(post, shot) for post, shot in came if post.look(shot)]
        streams, images = [post.stream for post, _ in good], [shot.image for _, shot in good]
        for (post, shot), judged in zip(good, push_all(streams, images), strict=True):
            if judged:
                post.conclude(replace(judged, time=shot.time))
        for post, shot in came:
            post.film(shot)
        if not came and all(post.source.live for post in open_posts):
            wake.wait(IDLE)
            wake.clear()
