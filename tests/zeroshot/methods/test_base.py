"""What methods are given: class texts and training data, with their faults."""

import pytest
import torch

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.methods.base import TrainingData, scaled, seeded
from smie_pipe.zeroshot.texts.class_texts import ClassTexts


def texts(classes=3, width=4):
    return ClassTexts(torch.arange(1.0, classes * width + 1).view(classes, width))


def test_class_texts_become_unit_rows():
    table = ClassTexts(torch.tensor([[3.0, 4.0], [0.0, 2.0]])).sentence
    torch.testing.assert_close(table, torch.tensor([[0.6, 0.8], [0.0, 1.0]]))


def test_class_texts_take_arrays_and_keep_the_order_asked_for():
    table = ClassTexts(torch.eye(4).numpy(), verb=torch.eye(4).numpy())
    taken = table.take([2, 0])
    torch.testing.assert_close(taken.sentence, torch.eye(4)[[2, 0]])
    torch.testing.assert_close(taken.verb, torch.eye(4)[[2, 0]])
    assert taken.noun is None and len(taken) == 2


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"sentence": torch.ones(3)}, "sentence has shape (3,), expected (classes, width)"),
        ({"sentence": torch.ones(2, 3) / torch.zeros(1)}, "not finite for classes 0, 1"),
        (
            {"sentence": torch.tensor([[1.0], [0.0]])},
            "sentence is empty or not finite for classes 1",
        ),
        ({"sentence": torch.ones(2, 3), "verb": torch.ones(3, 3)}, "verb has 3 rows for 2"),
    ],
)
def test_class_texts_name_what_is_wrong(fields, message):
    with pytest.raises(InputError) as error:
        ClassTexts(**fields)
    assert message in str(error.value)


def test_class_texts_report_all_faults_at_once():
    with pytest.raises(InputError, match="verb has 1 rows.*noun has 3 rows"):
        ClassTexts(torch.ones(2, 3), verb=torch.ones(1, 3), noun=torch.ones(3, 3))


def test_missing_verbs_say_who_needs_them_and_what_to_do():
    with pytest.raises(InputError, match="jpose needs a verb and a noun.*CSV"):
        texts().parts_of_speech("jpose")


V, LABEL = torch.randn(6, 5), torch.tensor([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"v": V.clone().index_fill_(0, torch.tensor([4]), float("nan"))}, "v holds NaN.*rows 4"),
        ({"v_masked": V * float("inf")}, "v_masked holds NaN or infinity in rows 0, 1"),
        ({"v_masked": V[:, :3]}, r"v_masked has shape \(6, 3\), v \(6, 5\)"),
        ({"label": LABEL[:5]}, r"label \(5,\), expected"),
        ({"label": LABEL + 1}, "labels run from 1 to 3, expected rows of the 3 class texts"),
        ({"label": LABEL - 1}, "labels run from -1 to 1"),
        ({"label": LABEL * 0}, "clips of 1 seen class.*at least 2"),
        ({"v": V[:0], "label": LABEL[:0]}, "clips of 0 seen class"),
    ],
)
def test_training_data_name_what_is_wrong(change, message):
    good = {"v": V, "v_masked": None, "label": LABEL, "texts": texts()}
    TrainingData(**good)
    with pytest.raises(InputError, match=message):
        TrainingData(**{**good, **change})


def test_long_lists_of_bad_rows_are_cut():
    with pytest.raises(InputError, match="rows 0, 1, 2, 3, 4, 5, 6, 7 and 12 more"):
        TrainingData(torch.full((20, 2), torch.nan), None, torch.arange(20) % 2, texts())


def test_scaled_texts_have_entries_of_mean_square_one():
    torch.testing.assert_close(scaled(texts().sentence).square().mean(1), torch.ones(3))


def test_seeded_draws_alike_and_leaves_the_callers_state():
    before = torch.get_rng_state()
    with seeded(3):
        first = torch.rand(2)
    with seeded(3):
        assert torch.equal(torch.rand(2), first)
    assert torch.equal(torch.get_rng_state(), before)
