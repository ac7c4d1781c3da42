"""Every method by name: it learns, repeats itself, scores any classes, and new ones join."""

import dataclasses
import inspect
import subprocess
import sys

import pytest
import torch

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.methods.base import Method, TrainingData, fit
from smie_pipe.zeroshot.methods.registry import (
    METHODS,
    Entry,
    build_method,
    method_class,
    method_name,
    method_options,
)
from smie_pipe.zeroshot.texts.class_texts import ClassTexts

CPU = torch.device("cpu")
STEP = {"lr": 1e-3, "epochs": 40}
QUICK = {
    "smie": STEP | {"hidden1": 96, "hidden2": 48, "batch": 64},
    "smie-wo-l2": STEP | {"hidden1": 96, "hidden2": 48, "batch": 64},
    "devise": STEP | {"space": 32, "batch": 64},
    "relationnet": STEP | {"space": 32, "hidden": 64, "batch": 32},
    "revise": STEP | {"epochs": 60, "batch": 64},
    "jpose": STEP | {"batch": 64},
    "cada-vae": {"lr": 1e-3, "cycles": 2, "cycle": 200, "latent": 32, "samples": 30},
    "synse": {"lr": 1e-3, "cycles": 3, "cycle": 200, "latent": 32, "samples": 30},
    "sa-dvae": {"lr": 1e-3, "cycles": 3, "cycle": 200, "semantic": 32, "samples": 30},
    "flora": {"lr": 1e-3, "epochs": 4, "width": 32},
    "tdsm": STEP | {"lr": 2e-3, "width": 48, "draws": 3},
    "contrastive": {"batch": 64},
    "ridge": {"alpha": 0.01},
    "prototypes": {},
    "align": {},
}
CLOSED_FORM = ("ridge", "prototypes", "align")
FEW = {"samples": 5, "draws": 2, "steps": 5, "width": 16}
SEEN, UNSEEN = list(range(20)), list(range(20, 25))


def few(name, **options):
    """Return those of the options that a method has, and such as make it small."""
    known = method_options(name)
    return {key: value for key, value in (FEW | options).items() if key in known}


@pytest.fixture(scope="module")
def toy():
    """25 classes, 16 clips each; a clip shows its class's verb and noun, and some noise.

    Verb, noun (8-d each) and sentence are random; the visual side is a fixed linear image of
    verb and noun, 32-d, through a ReLU, so that classes 20 to 24 can be named unseen.
    """
    generator = torch.Generator().manual_seed(1)

    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    verb, noun, rest = normal(25, 8), normal(25, 8), 0.3 * normal(25, 8)
    texts = ClassTexts(torch.cat([verb, noun, rest], 1), verb, noun)
    shown = torch.cat([texts.verb, texts.noun], 1) @ normal(16, 32)
    label = torch.arange(400) % 25
    v = (shown[label] + 0.5 * normal(400, 32)).relu()
    masked = (0.9 * shown[label] + 0.5 * normal(400, 32)).relu()
    return texts, label, v, masked


@pytest.fixture(scope="module")
def seen_part(toy, with_head):
    texts, label, v, masked = toy
    seen = label < 20
    data = TrainingData(v[seen], masked[seen], label[seen], texts.take(SEEN))
    return with_head(data)


@pytest.fixture(scope="module")
def trained(toy, seen_part):
    """Train each method on the seen classes once, on request."""
    made = {}

    def train(name):
        if name not in made:
            made[name] = fit(build_method(name, QUICK[name]), seen_part, seed=0, device=CPU)
        return made[name]

    return train


def test_every_method_is_tried_here():
    assert set(QUICK) == set(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_learns_to_name_unseen_classes(name, toy, trained):
    texts, label, v, _ = toy
    unseen = label >= 20
    scores = trained(name).score(v[unseen], texts.take(UNSEEN))
    accuracy = (scores.argmax(1) + 20 == label[unseen]).float().mean()
    assert accuracy > 0.35  # chance is 0.2, its standard error 0.045


@pytest.mark.parametrize("name", METHODS)
def test_scores_seen_and_unseen_classes_together(name, toy, trained):
    texts, label, v, _ = toy
    scores = trained(name).score(v, texts)
    assert scores.shape == (400, 25) and scores.dtype == torch.float32
    assert scores.isfinite().all()
    seen = label < 20
    assert (scores.argmax(1)[seen] == label[seen]).float().mean() > 0.3  # chance 0.04


@pytest.mark.parametrize("name", METHODS)
def test_same_seed_gives_the_same_scores(name, toy, seen_part):
    texts, _, v, _ = toy
    options = few(name, epochs=2, cycles=1, cycle=3)
    first, again = (
        fit(build_method(name, options), seen_part, seed=3, device=CPU).score(v, texts)
        for _ in range(2)
    )
    assert torch.equal(first, again)


@pytest.mark.parametrize("name", METHODS)
def test_yields_finite_losses_and_can_be_stopped_and_scored_between(name, toy, seen_part):
    texts, _, v, _ = toy
    options = few(name, cycles=3, cycle=3)
    method = build_method(name, options)
    epochs = method.train(seen_part, seed=0, device=CPU)
    losses = next(epochs)
    assert "loss" in losses
    assert all(isinstance(x, float) and x == x for x in losses.values())
    before = method.score(v[:5], texts)
    if name not in CLOSED_FORM:
        next(epochs)
        assert not torch.equal(before, method.score(v[:5], texts))


@pytest.mark.parametrize("name", [name for name in METHODS if name not in CLOSED_FORM])
def test_every_parameter_of_the_network_is_trained(name, toy, seen_part):
    options = few(name, epochs=1, cycles=1, cycle=2)
    method = build_method(name, options)
    for _ in method.train(seen_part, seed=0, device=CPU):
        pass
    missing = [n for n, p in method.net.named_parameters() if p.grad is None]
    assert not missing


@pytest.mark.parametrize("name", METHODS)
def test_inputs_are_left_as_they_were(name, toy, seen_part):
    data = seen_part
    before = [x.clone() for x in (data.v, data.v_masked, data.texts.sentence)]
    options = few(name, cycles=1, cycle=2)
    next(build_method(name, options).train(data, seed=0, device=CPU))
    after = [data.v, data.v_masked, data.texts.sentence]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("name", ["jpose", "synse"])
def test_verbs_and_nouns_are_asked_for_before_any_work(name, toy, seen_part):
    data = seen_part
    plain = dataclasses.replace(data, texts=ClassTexts(data.texts.sentence))
    with pytest.raises(InputError, match=f"{name} needs a verb and a noun"):
        next(build_method(name).train(plain, seed=0, device=CPU))


@pytest.mark.parametrize("name", METHODS)
def test_other_widths_fit(name, with_head):
    sizes = [(40, 256), (6, 384), (6, 300), (6, 200)]
    v, sentence, verb, noun = (torch.randn(s, generator=torch.Generator().manual_seed(0))
                               for s in sizes)  # fmt: skip
    texts = ClassTexts(sentence, verb, noun)
    data = with_head(TrainingData(v, v, torch.arange(40) % 6, texts))
    options = few(name, cycles=1, cycle=2)
    method = build_method(name, options)
    next(method.train(data, seed=0, device=CPU))
    assert method.score(v, texts.take([1, 4])).shape == (40, 2)


# A user's own method -----------------------------------------------------------------------


NEAREST = '''
from dataclasses import dataclass
import torch

@dataclass
class Nearest:
    """Text of the nearest training clip."""
    name = "nearest"
    power: float = 1.0
    def train(self, data, *, seed, device):
        self.v, self.text = data.v.to(device), data.texts.sentence[data.label].to(device)
        yield {"loss": 0.0}
    def score(self, v, texts):
        nearest = torch.cdist(v, self.v).argmin(1)
        return (self.text[nearest] @ texts.sentence.T) ** self.power
'''


@pytest.fixture
def nearest_file(tmp_path):
    path = tmp_path / "my_method.py"
    path.write_text(NEAREST)
    return path


def test_a_method_joins_from_a_file_of_its_own(nearest_file, toy, seen_part):
    spec = f"{nearest_file}:Nearest"
    method = fit(build_method(spec, {"power": "3"}), seen_part, seed=0, device=CPU)
    assert isinstance(method, Method) and method.power == 3.0
    assert method_name(spec) == "nearest"
    assert method.score(toy[2], toy[0]).shape == (400, 25)


def test_a_method_joins_by_name(monkeypatch, nearest_file):
    cls = method_class(f"{nearest_file}:Nearest")
    monkeypatch.setitem(METHODS, "mine", Entry(cls, "Mine"))
    assert build_method("mine", {"power": 2.0}).power == 2.0
    monkeypatch.setitem(METHODS, "mine", Entry(f"{nearest_file}:Nearest", "Mine"))
    assert method_name("mine") == "mine" and build_method("mine").power == 1.0


@pytest.mark.parametrize(
    "spec, message",
    [
        ("smei", "unknown method 'smei'. Did you mean 'smie'"),
        ("no_such_package.part:Mine", "cannot import 'no_such_package.part'"),
        ("no/such/file.py:Mine", "no/such/file.py: no such file"),
        (
            "smie_pipe.zeroshot.methods.smie:Smie",
            "there is no class 'Smie' in smie_pipe.zeroshot.methods.smie",
        ),
        ("smie_pipe.zeroshot.methods.smie:PairScores", "PairScores has no train() and no score()"),
    ],
)
def test_methods_that_cannot_be_found(spec, message):
    with pytest.raises(InputError) as error:
        build_method(spec)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"bta": 1}, "unknown option of method 'smie' 'bta'. Did you mean 'beta'"),
        ({"beta": "much"}, "smie.beta: expected float such as 0.1, got 'much'"),
        ({"epochs": "2.5"}, "smie.epochs: expected int such as 100, got '2.5'"),
        ({"epochs": 2.5}, "smie.epochs: expected int"),
        ({"epochs": True}, "smie.epochs: expected int"),
        ({"beta": None}, "smie.beta: expected float"),
        ({"temporal": "maybe"}, "smie.temporal: expected bool"),
        ({"estimator": 3}, "smie.estimator: expected str"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(InputError) as error:
        build_method("smie", options)
    assert message in str(error.value)


def test_texts_from_a_command_line_become_the_defaults_type():
    given = {"beta": "0.3", "epochs": "7", "temporal": "False", "negatives": "roll", "lr": 1}
    options = method_options("smie", given)
    assert {name: options[name] for name in given} == {
        "beta": 0.3, "epochs": 7, "temporal": False, "negatives": "roll", "lr": 1.0
    }  # fmt: skip
    assert type(options["lr"]) is float


@pytest.mark.parametrize("name", METHODS)
def test_options_are_documented_and_complete(name):
    cls = method_class(name)
    documented = "".join(inspect.getdoc(c) or "" for c in cls.__mro__[:2])
    assert method_name(name) == cls.name == name
    for option, default in method_options(name).items():
        assert option in documented, option
        assert type(default) in (bool, int, float, str)


def test_listing_the_methods_loads_no_torch():
    code = (
        "import sys, smie_pipe.zeroshot.methods.registry as m; "
        "assert m.METHODS; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
