"""Checks the health of a camera: black, frozen, blocked, moved, or in different light.

The checks use the background template and the frames, but no anomaly scores. A frame that fails a
check is not scored. If all frames fail for `CONFIRM` seconds, the state of the camera changes.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from dmad.data.templates import PastFrames
from dmad.inference.detector import Detector
from dmad.watch.scene_template import BLACK, MOST_TILES, SceneTemplate, details, tiles, to_grey

State = Literal["ok", "black", "frozen", "blocked", "moved", "light"]

CONFIRM = 1.0  # seconds for which frames must show a state before the camera has this state
FROZEN = 1  # a frame is frozen if no pixel changes by more grey values than this
LIGHT_RATIO = 1.4  # a tile has changed if it is this many times brighter or darker than usual
LIGHT_SECONDS = 60.0  # time in which the usual brightness adapts to a change, slow or sudden
TEMPLATE_FRAMES = 16  # a template is computed each time after this many past frames
TEMPLATE_STEP = 1.0  # seconds between these past frames


class Health:
    """Checks the frames of one camera, and stores the state of the camera.

    Args:
        template: Background template x_bg of the view, (H, W, C), 0 to 255. If it is None, a
            template is computed from the past frames of the camera.
    """

    def __init__(self, template: np.ndarray | None = None) -> None:
        self.scene = None if template is None else SceneTemplate(template)
        self._past = PastFrames() if template is None else None
        self._past_time = -np.inf  # of the newest frame in it
        self._confirmed = ConfirmedState()
        self._light = UsualLight()
        self._last_grey: np.ndarray | None = None
        self._time = 0.0  # of the last frame

    @property
    def state(self) -> State:
        """The confirmed state."""
        return self._confirmed.state

    @property
    def is_repeated(self) -> bool:
        """True if the camera is "ok", but the last frame looks the same as the frame before it.

        Such a frame is not scored, but a single one is no fault.
        """
        return self.state == "ok" and self._confirmed.look == "frozen"

    def add_frame(self, frame: np.ndarray, time: float) -> bool:
        """Add the next frame.

        Args:
            frame: (H, W, C) uint8.
            time: Time of the frame in seconds.

        Returns:
            True if the frame can be scored: the frame looks "ok", and the state is "ok".
        """
        if time < self._time:  # the clock was set back
            self._move_times(time - self._time)
        grey = to_grey(frame)
        look = self._look(grey)
        self._confirmed.add_look(look, time)
        if look == "light":
            self._light.wait(grey, time)
        elif look not in ("frozen", "ok"):
            self._light.forget_change()
        if look == "ok":
            self._light.follow(grey, time - self._time)
            self._learn_scene(frame, time)
        self._last_grey, self._time = grey, time
        return look == self.state == "ok"

    def _move_times(self, seconds: float) -> None:
        self._time += seconds
        self._past_time += seconds
        self._confirmed.move_times(seconds)
        self._light.forget_change()

    def _look(self, grey: np.ndarray) -> State:
        """Return the state that a single frame shows."""
        scene_is_dark = self.scene is not None and self.scene.is_dark
        if np.quantile(grey, 0.99) < BLACK and not scene_is_dark:
            return "black"
        if self._last_grey is not None and np.abs(grey - self._last_grey).max() <= FROZEN:
            return "frozen"
        if self.scene:
            frame_details = details(grey)
            if self.scene.has_moved(frame_details):
                return "moved"
            if self.scene.is_covered(frame_details):
                return "blocked"
        return "light" if self._light.has_changed(grey) else "ok"

    def _learn_scene(self, frame: np.ndarray, time: float) -> None:
        """Compute the template from past frames if none was given."""
        if self._past is None or time - self._past_time < TEMPLATE_STEP:
            return
        self._past.add_frame(frame)
        self._past_time = time
        if self._past.seen % TEMPLATE_FRAMES == 0:
            self.scene = SceneTemplate(_in_grey_values(self._past.median()))


class ConfirmedState:
    """Finds the state of a camera from the states that single frames show.

    A new state must be shown for `CONFIRM` seconds. But the state "frozen" ends with the first
    frame that is not frozen. At the start, the state is "ok".
    """

    def __init__(self) -> None:
        self.state: State = "ok"
        self.look: State = "ok"  # of the last frame
        self._look_since = -np.inf  # time since which all frames have had this look
        self._last_fault = -np.inf  # time of the last frame with a fault
        self._faults_since = np.inf  # time of the first of the present faults

    def add_look(self, look: State, time: float) -> None:
        """Add the state that the next frame shows."""
        if look != self.look:
            self.look, self._look_since = look, time
        if look not in ("ok", "frozen"):  # a single repeated frame is no fault
            self._last_fault = time
            self._faults_since = min(self._faults_since, time)
        elif time - self._last_fault >= CONFIRM:
            self._faults_since = np.inf
        if self.state == "frozen" and look != "frozen":
            self.state = "ok"  # at once: a quiet scene that is strongly compressed looks frozen
        if look != self.state and time - self._start_of(look) >= CONFIRM:
            self.state = look

    def _start_of(self, look: State) -> float:
        """Return the time in seconds from which `CONFIRM` is counted, for a change to this state.

        For "ok", this is the time of the last fault. If an "ok" camera shows several faults in
        turn, it is the time of the first one.
        """
        if look == "ok":
            return self._last_fault
        if self.state == "ok" and look != "frozen":  # one fault may follow another
            return min(self._look_since, self._faults_since)
        return self._look_since

    def move_times(self, seconds: float) -> None:
        """Shift all times, because the clock of this machine was changed."""
        self._look_since += seconds
        self._last_fault += seconds
        self._faults_since += seconds


class UsualLight:
    """The usual brightness of each tile of a frame. It follows slow changes, such as a sunset.

    A sudden change becomes usual if it lasts for `LIGHT_SECONDS`.
    """

    def __init__(self) -> None:
        self._level: np.ndarray | None = None  # (TILES, TILES) grey values
        self._changed_since: float | None = None  # time at which the light changed

    def has_changed(self, grey: np.ndarray) -> bool:
        """True if most tiles of a frame (h, w) are much brighter, or much darker, than usual."""
        if self._level is None:
            return False
        ratio = (tiles(grey).mean((1, 3)) + 4) / (self._level + 4)
        brighter = (ratio > LIGHT_RATIO).mean()
        darker = (ratio < 1 / LIGHT_RATIO).mean()
        return bool(max(brighter, darker) > MOST_TILES)

    def follow(self, grey: np.ndarray, seconds: float) -> None:
        """Move the usual brightness towards that of a frame (h, w).

        `seconds` is the time since the previous frame.
        """
        self.forget_change()
        level = tiles(grey).mean((1, 3))
        if self._level is None:
            self._level = level
        else:
            self._level = self._level + min(seconds / LIGHT_SECONDS, 1.0) * (level - self._level)

    def wait(self, grey: np.ndarray, time: float) -> None:
        """Make the brightness of a frame (h, w) the usual one, `LIGHT_SECONDS` after a change.

        Call this function for each frame whose light has changed. `time` is the time of the frame
        in seconds.
        """
        if self._changed_since is None:
            self._changed_since = time
        elif time - self._changed_since >= LIGHT_SECONDS:
            self._level = tiles(grey).mean((1, 3))
            self.forget_change()

    def forget_change(self) -> None:
        """Forget a change of the light, because the light is as usual or cannot be seen."""
        self._changed_since = None


def health_of_view(detector: Detector, scene: str) -> Health:
    """Return a new `Health` for a camera that shows this view."""
    template = detector.template(scene)
    return Health(None if template is None else _in_grey_values(template))


def _in_grey_values(template: np.ndarray) -> np.ndarray:
    """Convert a template (C, H, W) in [-1, 1] to (H, W, C), 0 to 255."""
    return np.asarray(127.5 * (template + 1)).transpose(1, 2, 0)
