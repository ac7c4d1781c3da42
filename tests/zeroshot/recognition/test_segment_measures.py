"""PKU-MMD's measures against cases worked by hand and against independent libraries."""

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.recognition.segment_measures import (
    average_precision,
    chance,
    iou,
    measure,
    shuffled_labels,
)
from smie_pipe.zeroshot.recognition.segments import Segment


def seg(label, start, end, score=1.0, recording="r"):
    return Segment(label, float(start), float(end), score, recording)


def test_overlap_by_hand():
    assert iou(seg("a", 0, 10), seg("a", 5, 15)) == pytest.approx(5 / 15)
    assert iou(seg("a", 0, 10), seg("a", 10, 20)) == 0
    assert iou(seg("a", 3, 3), seg("a", 3, 3)) == 0


def test_a_case_worked_by_hand():
    # a: found exactly at 0.9, once more at 0.5 (a double), missed once. b: found with IoU 0.6.
    truth = [seg("a", 0, 10), seg("a", 20, 30), seg("b", 40, 50)]
    predicted = [seg("a", 0, 10, 0.9), seg("a", 0, 9, 0.5), seg("b", 44, 50, 0.7)]
    (loose, strict) = measure(predicted, truth, [0.5, 0.7])
    # a: precision 1 up to recall 1/2, then nothing -> 0.5; b: 1.
    assert loose.mAP_a == pytest.approx((0.5 + 1) / 2)
    # The recording: 0.9 right, 0.7 right, 0.5 wrong; recall 2/3 at precision 1.
    assert loose.mAP_v == pytest.approx(2 / 3)
    assert (loose.precision, loose.recall) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert loose.f1 == pytest.approx(2 / 3)
    assert strict.mAP_a == pytest.approx(0.25)  # b's 0.6 is not enough


def test_recordings_and_labels_do_not_mix():
    truth = [seg("a", 0, 10, recording="r"), seg("b", 0, 10, recording="s")]
    predicted = [seg("a", 0, 10, recording="s"), seg("b", 0, 10, recording="r")]
    assert measure(predicted, truth, [0.5])[0].f1 == 0


def test_labels_that_are_not_among_the_truth_do_not_count():
    truth = [seg("a", 0, 10)]
    found = measure([seg("a", 0, 10), seg("seen class", 20, 30)], truth, [0.5])[0]
    assert (found.f1, found.mAP_a, found.mAP_v) == (1, 1, 1)


def published_ap(proposals, theta, total):
    """Average precision written down from the description of the data set's program.

    Proposals (confidence, overlap) are dropped from the lowest confidence on; after each one
    that was right, the best precision so far of what is left counts for the recall lost.
    """
    left = sorted(proposals)
    area, best = 0.0, 0.0
    recall = min(sum(o >= theta for _, o in left) / total, 1)
    while left:
        _, overlap = left.pop(0)
        if overlap < theta:
            continue
        if not left:
            break
        right = sum(o >= theta for _, o in left)
        best = max(best, right / len(left))
        area += best * (recall - min(right / total, 1))
        recall = min(right / total, 1)
    return area + best * recall


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=12, unique_by=lambda p: p[0]),
    st.integers(1, 6),
)
@settings(max_examples=200, deadline=None)
def test_the_published_form_equals_its_description(proposals, truths):
    scores = np.array([p[0] for p in proposals])
    right = np.array([p[1] for p in proposals], dtype=bool)
    by_hand = published_ap([(s, float(r)) for s, r in proposals], 0.5, truths)
    assert average_precision(scores, right, truths, "published") == pytest.approx(by_hand)


def test_the_published_form_gives_nothing_for_a_single_perfect_prediction():
    assert average_precision(np.array([1.0]), np.array([True]), 1, "published") == 0
    assert average_precision(np.array([1.0]), np.array([True]), 1) == 1


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30,
             unique_by=lambda p: p[0])
)  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_average_precision_equals_the_area_below_sklearns_curve(proposals):
    from sklearn.metrics import precision_recall_curve

    scores = np.array([p[0] for p in proposals])
    right = np.array([p[1] for p in proposals])
    if not right.any():
        assert average_precision(scores, right, 3) == 0
        return
    precision, recall, _ = precision_recall_curve(right, scores)
    best = np.maximum.accumulate(precision)  # sklearn's curve runs from full recall to none
    area = float((best[:-1] * -np.diff(recall)).sum())
    assert average_precision(scores, right, int(right.sum())) == pytest.approx(area)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_map_equals_that_of_the_coco_library_with_segments_as_boxes(seed):
    """Boxes of height 1: their overlap is that of the segments, and COCO matches once, too."""
    coco = pytest.importorskip("pycocotools.coco")
    from pycocotools.cocoeval import COCOeval

    generator = np.random.default_rng(seed)
    truth = [random_segment(generator) for _ in range(12)]
    predicted = [random_segment(generator) for _ in range(25)]
    labels = sorted({s.label for s in truth})
    aps = []
    for label in labels:
        true = [s for s in truth if s.label == label]
        found = [s for s in predicted if s.label == label]
        with contextlib.redirect_stdout(io.StringIO()):
            ground = coco.COCO()
            ground.dataset = {
                "images": [{"id": k} for k in range(3)],
                "categories": [{"id": 1}],
                "annotations": [box(s) | {"id": i + 1} for i, s in enumerate(true)],
            }
            ground.createIndex()
            if not found:
                aps.append(0.0)
                continue
            evaluation = COCOeval(ground, ground.loadRes([box(s) for s in found]), "bbox")
            evaluation.params.iouThrs = np.array([0.3])
            evaluation.params.recThrs = np.arange(1, len(true) + 1) / len(true) - 1e-9
            evaluation.evaluate()
            evaluation.accumulate()
        aps.append(evaluation.eval["precision"][0, :, 0, 0, -1].mean())
    assert measure(predicted, truth, [0.3])[0].mAP_a == pytest.approx(np.mean(aps))


def random_segment(generator):
    start = generator.uniform(0, 20)
    return seg(
        "ab"[generator.integers(2)], start, start + generator.uniform(1, 8), generator.random(),
        "rst"[generator.integers(3)],
    )  # fmt: skip


def box(s):
    return {
        "image_id": "rst".index(s.recording), "category_id": 1, "score": s.score, "iscrowd": 0,
        "bbox": [s.start_s, 0, s.end_s - s.start_s, 1], "area": s.end_s - s.start_s,
    }  # fmt: skip


def test_shuffled_labels_keep_times_and_are_near_chance():
    truth = [seg("abcde"[k % 5], 10 * k, 10 * k + 5) for k in range(50)]
    shuffled = shuffled_labels(truth, list("abcde"), 0)
    assert [(s.start_s, s.end_s) for s in shuffled] == [(s.start_s, s.end_s) for s in truth]
    assert measure(truth, truth, [0.5])[0].mAP_a == 1
    assert 0.1 < chance(truth, truth, [0.5])[0].recall < 0.3


def test_nothing_to_compare_with_is_said():
    with pytest.raises(InputError, match="no true segment"):
        measure([seg("a", 0, 1)], [])


def test_no_prediction_is_zero():
    found = measure([], [seg("a", 0, 1)], [0.5])[0]
    assert (found.mAP_a, found.mAP_v, found.f1) == (0, 0, 0)
