import numpy as np
import pytest

from dmad.data.synthetic.street import Street, background, normal_clip
from dmad.watch.health import Health, health_of_view

FPS = 10
STREET = Street(size=64, frames=150, people=2.0)


def black(frames):
    return np.random.default_rng(0).integers(0, 5, frames.shape, np.uint8)


def frozen(frames):
    return np.repeat(frames[:1], len(frames), 0)


def covered(frames):
    noise = np.random.default_rng(0).normal(0, 1.5, frames.shape)
    return np.clip(90 + noise, 0, 255).astype(np.uint8)


def shifted(frames):
    moved = frames.copy()
    moved[:, :, 20:] = frames[:, :, :-20]
    return moved


def lamp_off(frames):
    noise = np.random.default_rng(0).normal(0, 1.5, frames.shape)
    return np.clip(0.45 * frames + noise, 0, 255).astype(np.uint8)


FAULTS = [(black, "black"), (frozen, "frozen"), (covered, "blocked"), (shifted, "moved")]
FAULTS += [(lamp_off, "light")]


def run(frames, template):
    health = Health(template)
    good = [health.add_frame(frame, i / FPS) for i, frame in enumerate(frames)]
    return health, good


@pytest.mark.parametrize("known", [True, False], ids=["x_bg", "own past"])
@pytest.mark.parametrize(("fault", "state"), FAULTS, ids=[state for _, state in FAULTS])
def test_a_fault_is_reported_within_two_seconds_and_so_is_its_end(fault, state, known):
    street = STREET if known else Street(size=64, frames=400, people=2.0)
    frames = normal_clip(street, 1).frames.copy()
    start = len(frames) - 100
    frames[start : start + 50] = fault(frames[start : start + 50])
    health, states = Health(background(street) if known else None), []
    for i, frame in enumerate(frames):
        good = health.add_frame(frame, i / FPS)
        states.append(health.state)
        assert not (good and start < i < start + 50)
    assert set(states[:start]) == {"ok"}
    assert states[start + 20] == states[start + 49] == state
    assert states[start + 71] == states[-1] == "ok"


@pytest.mark.parametrize("known", [True, False], ids=["x_bg", "own past"])
def test_setting_the_clock_back_is_no_fault(known):
    frames = normal_clip(STREET, 1).frames
    health = Health(background(STREET) if known else None)
    states = []
    for start in (90_000.0, 86_400.0, 0.0):
        for i, frame in enumerate(frames):
            health.add_frame(frame, start + i / FPS)
            states.append(health.state)
    assert set(states) == {"ok"}


@pytest.mark.parametrize("faults", [(covered, shifted), (covered, covered)])
def test_faults_that_take_turns_are_reported(faults):
    """Two faults in turn, or a fault and a good view in turn: nothing can be scored."""
    frames = normal_clip(STREET, 1).frames.copy()
    ways = [faults[0](frames), faults[1](frames)]
    health, states = Health(background(STREET)), []
    for i, frame in enumerate(frames):
        odd = i >= 50 and (i % 4 or faults[0] is not faults[1])
        health.add_frame(ways[i // 2 % 2][i] if odd else frame, i / FPS)
        states.append(health.state)
    assert set(states[:59]) == {"ok"}
    assert "ok" not in states[62:]


def test_repeated_frames_and_single_flashes_are_no_fault():
    """A camera that sends each fifth frame twice, and a flash now and then."""
    frames = normal_clip(STREET, 1).frames.copy()
    frames[5::5] = frames[4:-1:5]
    frames[[52, 118]] = 255
    health, good = Health(background(STREET)), []
    for i, frame in enumerate(frames):
        good.append(health.add_frame(frame, i / FPS))
        assert health.state == "ok"
    assert sum(good) > 0.75 * len(frames)


def test_a_repeated_frame_is_not_scored_and_is_no_fault():
    frames = normal_clip(STREET, 2).frames.copy()
    frames[60] = frames[59]
    health = Health(background(STREET))
    for i, frame in enumerate(frames[:61]):
        good = health.add_frame(frame, i / FPS)
    assert not good
    assert health.is_repeated
    assert health.state == "ok"


def test_after_a_still_view_the_first_movement_is_scored():
    frames = normal_clip(STREET, 2).frames.copy()
    frames[60:90] = frames[59]
    health = Health(background(STREET))
    good = [health.add_frame(frame, i / FPS) for i, frame in enumerate(frames[:91])]
    assert health.state == "ok"
    assert good[-2:] == [False, True]


def test_large_frames_in_colour_are_judged_too():
    street = Street(size=160, frames=40, channels=3, people=2.0)
    frames = normal_clip(street, 0).frames
    health, good = run(frames, background(street))
    assert health.state == "ok"
    assert all(good)


def states(frames, template):
    health, found = Health(template), []
    for i, frame in enumerate(frames):
        health.add_frame(frame, i / FPS)
        found.append(health.state)
    return found


def test_a_lamp_that_is_switched_on_is_another_light():
    frames = normal_clip(STREET, 1).frames[:80].copy()
    frames[:40] = lamp_off(frames[:40])
    assert states(frames, None)[-1] == "light"


def test_a_light_that_stays_is_usual_after_a_minute():
    frames = normal_clip(STREET, 1).frames[:80]
    dark = lamp_off(frames[40:])
    found = states([*frames[:40], *dark, *np.tile(dark, (18, 1, 1, 1))], None)
    changed = [index / FPS for index, state in enumerate(found) if state == "light"]
    assert changed[-1] - changed[0] == pytest.approx(60, abs=2)
    assert found[-1] == "ok"


def test_a_camera_that_tilts_has_moved():
    still = normal_clip(STREET, 1).frames[:80]
    frames = still.copy()
    frames[40:, 20:] = still[40:, :-20]
    assert states(frames, background(STREET))[-1] == "moved"


def test_a_dark_scene_is_not_black():
    random = np.random.default_rng(0)
    scene = random.integers(5, 26, (64, 64, 1)).astype(float)
    frames = scene + random.normal(0, 2, (40, 64, 64, 1))
    assert set(states(np.clip(frames, 0, 255).astype(np.uint8), scene)) == {"ok"}


def test_a_small_moving_object_is_not_frozen():
    frames = np.repeat(background(STREET).astype(np.uint8)[None], 40, 0)
    for i, frame in enumerate(frames):
        frame[30:33, i : i + 3] = 250  # nine pixels, without any noise
    assert set(states(frames, background(STREET))) == {"ok"}


def test_a_cover_through_which_the_scene_shines_is_blocked():
    frames = normal_clip(STREET, 1).frames[:80].astype(float)
    shadow = 0.2 * np.roll(frames[40:], (9, 9), (1, 2)) + 90
    frames[40:] = shadow + np.random.default_rng(0).normal(0, 0.3, shadow.shape)
    assert states(frames.round().astype(np.uint8), background(STREET))[-1] == "blocked"


def test_a_template_from_the_past_is_renewed():
    health, scenes = Health(), []
    for second, frame in enumerate(normal_clip(STREET, 1).frames[:40]):
        health.add_frame(frame, float(second))
        if health.scene is not None and all(scene is not health.scene for scene in scenes):
            scenes.append(health.scene)
    assert len(scenes) == 2


def test_a_view_that_was_trained_on_has_its_template_at_once(random_model, tiny, make_detector):
    detector = make_detector(random_model, tiny(None))
    assert health_of_view(detector, "").scene is not None
    assert health_of_view(detector, "elsewhere").scene is None
