import numpy as np
import pytest

from dmad.errors import DmadError
from dmad.evaluation.region_metrics import area_under, boxes, iou, region_criteria

SIZE = 16


def scene(*rectangles: tuple[int, int, int, int]) -> np.ndarray:
    """A mask (16, 16) of rectangles: top, left, bottom, right."""
    mask = np.zeros((SIZE, SIZE), bool)
    for top, left, bottom, right in rectangles:
        mask[top:bottom, left:right] = True
    return mask


THING = (2, 2, 6, 6)
ELSEWHERE = (10, 10, 14, 14)
EMPTY = scene()


def judge(frames, clip_lengths=None, **settings):
    pairs = [(np.asarray(scores, float), mask) for scores, mask in frames]
    return region_criteria(
        pairs, [len(pairs)] if clip_lengths is None else clip_lengths, **settings
    )


def test_one_object_found():
    result = judge([(scene(THING), scene(THING)), (EMPTY, EMPTY)])
    assert (result.rbdc, result.tbdc) == (1, 1)
    assert (result.regions, result.tracks, result.frames) == (1, 1, 2)


def test_one_object_not_found_and_a_false_region():
    result = judge([(scene(ELSEWHERE), scene(THING)), (EMPTY, EMPTY)])
    assert (result.rbdc, result.tbdc) == (0, 0)
    assert result.false_per_frame.tolist() == [0, 0.5]


def test_found_only_after_a_false_region():
    scores = 2 * scene(ELSEWHERE) + scene(THING)
    result = judge([(scores, scene(THING)), (EMPTY, EMPTY)])
    # thresholds 2, 1, 0: nothing; the false region; both
    assert result.false_per_frame.tolist() == [0, 0.5, 0.5]
    assert result.region_rate.tolist() == [0, 0, 1]
    assert result.rbdc == pytest.approx(0.5)  # 0 up to half a false region, from there on 1


def test_more_than_one_false_region_a_frame_is_given_up():
    false = scene((0, 8, 3, 11), (0, 13, 3, 16))
    result = judge([(2 * false + scene(THING), scene(THING))])
    assert result.thresholds.tolist() == [2]
    assert result.rbdc == 0


def test_one_false_region_a_frame_is_still_kept():
    result = judge([(scene(THING) + 2 * scene(ELSEWHERE), scene(THING))])
    assert result.false_per_frame.tolist() == [0, 1, 1]
    assert result.region_rate.tolist() == [0, 0, 1]


def test_iou_of_a_tenth_is_enough():
    mask = scene((0, 0, 10, 10))
    assert judge([(scene((0, 0, 1, 10)), mask)]).rbdc == 1
    assert judge([(scene((0, 0, 1, 9)), mask)]).rbdc == 0


def test_one_detection_may_find_two_objects():
    result = judge([(scene((0, 0, 4, 9)), scene((0, 0, 4, 4), (0, 5, 4, 9)))])
    assert (result.rbdc, result.regions, result.tracks) == (1, 2, 2)


def test_regions_touch_at_corners_and_are_boxes():
    mask = scene((0, 0, 2, 2), (2, 2, 4, 4))
    result = judge([(scene((0, 2, 2, 4)), mask)])  # no pixel shared, but a quarter of the box
    assert (result.rbdc, result.regions) == (1, 1)


@pytest.mark.parametrize(("length", "tbdc"), [(10, 1), (11, 0)])
def test_a_track_is_detected_by_a_tenth_of_its_regions(length, tbdc):
    masks = [scene((2, t, 6, t + 3)) for t in range(length)]
    frames = [(mask if t == 4 else EMPTY, mask) for t, mask in enumerate(masks)]
    result = judge(frames)
    assert (result.tracks, result.regions, result.tbdc) == (1, length, tbdc)
    assert result.rbdc == pytest.approx(1 / length)


def test_tracks_end_at_clip_borders_gaps_and_jumps():
    thing, far = (scene(THING), scene(THING)), (scene(ELSEWHERE), scene(ELSEWHERE))
    assert judge([thing] * 4).tracks == 1
    assert judge([thing] * 4, [2, 2]).tracks == 2
    assert judge([thing] * 4, [1, 0, 1, 2]).tracks == 3
    assert judge([thing, (EMPTY, EMPTY), thing]).tracks == 2
    assert judge([thing, far, thing]).tracks == 3


def test_objects_that_meet_are_one_track():
    both = scene((0, 0, 4, 4), (0, 8, 4, 12))
    touching = scene((0, 2, 4, 9))
    result = judge([(both, both), (touching, touching)])
    assert (result.tracks, result.regions) == (1, 3)


def test_frames_without_a_score_do_not_count_but_carry_tracks():
    nothing, mask = np.full((SIZE, SIZE), np.nan), scene(THING)
    result = judge([(mask, mask), (nothing, mask), (EMPTY, mask)])
    assert (result.frames, result.regions, result.tracks) == (2, 2, 1)
    assert result.rbdc == 0.5
    alone = judge([(mask, mask), (nothing, scene(ELSEWHERE))])
    assert (alone.regions, alone.tracks) == (1, 1)


def test_a_pixel_without_a_score_is_below_every_threshold():
    scores = scene(THING).astype(float)
    scores[scene(ELSEWHERE)] = np.nan
    result = judge([(scores, scene(THING))])
    assert (result.rbdc, result.false_per_frame.max()) == (1, 0)


def random_frames(seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    random = np.random.default_rng(seed)
    frames = []
    for t in range(24):
        mask = scene((3, t % 12, 7, t % 12 + 4)) if t % 9 else EMPTY
        mask = mask | (scene((10, 11 - t % 10, 13, 14 - t % 10)) if t % 3 else EMPTY)
        coarse = np.kron(random.normal(size=(4, 4)), np.ones((4, 4)))
        scores = np.round(coarse + 1.5 * mask + 0.2 * random.normal(size=mask.shape), 1)
        frames.append((np.full_like(scores, np.nan) if t == 5 else scores, mask))
    return frames


def flood(mask: np.ndarray) -> list[set[tuple[int, int]]]:
    """Regions of a mask as sets of pixels."""
    left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    regions = []
    while left:
        region, edge = set(), {left.pop()}
        while edge:
            y, x = edge.pop()
            region.add((y, x))
            near = {(y + i, x + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= near
            edge |= near
        regions.append(region)
    return regions


def box_pixels(region: set[tuple[int, int]]) -> set[tuple[int, int]]:
    ys, xs = zip(*region, strict=True)
    across = range(min(xs), max(xs) + 1)
    return {(y, x) for y in range(min(ys), max(ys) + 1) for x in across}


def overlap(first: set, second: set) -> float:
    return len(first & second) / len(first | second)


def slow_tracks(frames, clip_lengths) -> list[list[tuple[int, set]]]:
    """Tracks as lists of (frame, region).

    A region joins all tracks that have a region with a common pixel in the frame before.
    """
    tracks: list[list[tuple[int, set]]] = []
    frame = 0
    for length in clip_lengths:
        first = frame
        for frame in range(first, first + length):
            for region in flood(frames[frame][1]):
                joined = [
                    t for t in tracks if any(first <= f == frame - 1 and r & region for f, r in t)
                ]
                tracks = [t for t in tracks if all(t is not j for j in joined)]
                tracks.append([item for track in joined for item in track] + [(frame, region)])
        frame = first + length
    return tracks


def slow_criteria(frames, clip_lengths, thresholds, alpha, beta):
    scored = [t for t, (scores, _) in enumerate(frames) if not np.isnan(scores).all()]
    tracks = [[(t, box_pixels(r)) for t, r in one] for one in slow_tracks(frames, clip_lengths)]
    tracks = [[(t, box) for t, box in track if t in scored] for track in tracks]
    tracks = [track for track in tracks if track]
    points = [(0.0, 0.0, 0.0)]
    for threshold in thresholds:
        found = {t: [box_pixels(r) for r in flood(frames[t][0] > threshold)] for t in scored}
        true = {t: [box for track in tracks for f, box in track if f == t] for t in scored}
        false = sum(
            all(overlap(box, other) < beta for other in true[t]) for t in scored for box in found[t]
        )
        hits = [[any(overlap(b, o) >= beta for o in found[t]) for t, b in one] for one in tracks]
        track_rate = np.mean([np.mean(one) >= alpha for one in hits])
        points.append((false / len(scored), np.mean(np.concatenate(hits)), track_rate))
    return [points_area([(p[0], p[i]) for p in points if p[0] <= 1]) for i in (1, 2)]


def points_area(points: list[tuple[float, float]]) -> float:
    area = before = best = 0.0
    for false, rate in sorted(points):
        area += (false - before) * (best + max(best, rate)) / 2
        before, best = false, max(best, rate)
    return area + (1 - before) * best


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("alpha", "beta"), [(0.1, 0.1), (0.6, 0.3)])
def test_random_scenes_match_a_slow_computation(seed, alpha, beta):
    frames, lengths = random_frames(seed), [10, 0, 14]
    result = region_criteria(frames, lengths, points=30, alpha=alpha, beta=beta)
    thresholds = np.unique([scores for scores, _ in frames if not np.isnan(scores).all()])
    tried = [t for t in thresholds if t in result.thresholds]
    expected = slow_criteria(frames, lengths, tried, alpha, beta)
    assert [result.rbdc, result.tbdc] == pytest.approx(expected)
    assert 0 < result.rbdc < 1
    assert result.tracks == len(slow_tracks(frames, lengths))


@pytest.mark.parametrize("change", [lambda s: s + 30, lambda s: 1e6 * s, np.exp])
def test_only_the_order_of_scores_counts(change):
    frames = random_frames(0)
    first = region_criteria(frames, [24])
    second = region_criteria([(change(scores), mask) for scores, mask in frames], [24])
    assert (first.rbdc, first.tbdc) == (second.rbdc, second.tbdc)
    assert first.false_per_frame.tolist() == second.false_per_frame.tolist()
    assert change(first.thresholds).tolist() == second.thresholds.tolist()


def test_constant_scores_find_nothing():
    assert judge([(np.full((SIZE, SIZE), 3.0), scene(THING))]).rbdc == 0


def test_more_thresholds_are_about_as_many_as_asked_for():
    random = np.random.default_rng(0)
    frames = [(scene(THING) + random.random((SIZE, SIZE)), scene(THING)) for _ in range(40)]
    result = region_criteria(frames, [40], points=20)
    assert 10 <= len(result.thresholds) <= 20


def test_bad_input_is_one_clear_line():
    mask = scene(THING)
    frame = (mask.astype(float), mask)
    with pytest.raises(DmadError, match="only once"):
        region_criteria(iter([frame]), [1])
    with pytest.raises(DmadError, match="1 frames for clips of 2"):
        region_criteria([frame], [2])
    with pytest.raises(DmadError, match="abnormal pixel"):
        judge([(mask, EMPTY)])
    with pytest.raises(DmadError, match="no score map holds a score"):
        judge([(np.full((SIZE, SIZE), np.nan), mask)])
    with pytest.raises(DmadError, match="same size"):
        judge([(np.zeros((4, 4)), mask)])
    with pytest.raises(DmadError, match="infinite"):
        judge([(np.where(mask, np.inf, 0), mask)])
    with pytest.raises(DmadError, match=r"alpha 0, beta 0\.1"):
        judge([frame], alpha=0)


def test_boxes_and_their_overlap():
    labels = scene((0, 0, 2, 3)).astype(int) + 2 * scene((1, 4, 4, 8))
    found = boxes(labels)
    assert found.tolist() == [[0, 0, 2, 3], [1, 4, 4, 8]]
    assert boxes(np.zeros((4, 4), int)).shape == (0, 4)
    others = np.array([[0, 0, 2, 3], [1, 1, 3, 5]])
    expected = [[1, 2 / 12], [0, 2 / 18]]
    assert iou(found, others) == pytest.approx(np.array(expected))
    assert iou(found, boxes(np.zeros((4, 4), int))).shape == (2, 0)


def test_area_takes_the_best_rate_reached_so_far():
    false, rate = np.array([0, 0.2, 0.5, 0.4]), np.array([0.1, 0.6, 0.3, 0.2])
    # (0, 0), (0, .1), (.2, .6), (.4, .6), (.5, .6), and level up to 1
    assert area_under(false, rate) == pytest.approx(0.2 * 0.35 + 0.8 * 0.6)
