"""Backbone files: round trip, and every way in which foreign weights fail to fit."""

import io
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from smie_pipe.backbones.networks.registry import BACKBONES, build, name_of
from smie_pipe.backbones.weights import load_backbone, load_foreign, read_metadata, save_backbone
from smie_pipe.preprocessing.foundation.errors import InputError


@pytest.fixture
def model():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build("stgcn", hidden=4, features=8).eval()


@pytest.fixture
def clip():
    return torch.randn(2, 3, 20, 25, 2, generator=torch.Generator().manual_seed(1))


def fresh():
    return build("stgcn", hidden=4, features=8)


def assert_same_weights(model, other):
    for name, value in model.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value, rtol=0, atol=0, msg=name)


def test_round_trip_keeps_weights_configuration_and_metadata(model, clip, tmp_path):
    path = tmp_path / "backbone.safetensors"
    save_backbone(path, model, {"seen": [0, 2], "split": "x"})
    loaded, metadata = load_backbone(path)
    assert metadata["seen"] == [0, 2]
    assert metadata["backbone"] == name_of(model)
    assert loaded.config == model.config
    assert not loaded.training
    assert_same_weights(model, loaded)
    with torch.no_grad():
        torch.testing.assert_close(loaded(clip), model(clip), rtol=0, atol=0)
    assert read_metadata(path) == metadata


def test_registry_names_the_nearest_backbone():
    assert "stgcn" in BACKBONES
    with pytest.raises(InputError, match="Did you mean 'stgcn'"):
        build("stgnc")


def test_a_file_that_is_no_safetensors_is_named(tmp_path):
    path = tmp_path / "backbone.safetensors"
    path.write_bytes(b"not at all")
    with pytest.raises(InputError, match="backbone.safetensors: expected a safetensors file"):
        load_backbone(path)


def test_safetensors_of_someone_else_point_to_the_weights_option(model, tmp_path):
    path = tmp_path / "foreign.safetensors"
    save_file(model.state_dict(), path)
    with pytest.raises(InputError, match="--weights"):
        load_backbone(path)


def test_missing_file_is_an_os_error(tmp_path):
    for load in (load_backbone, read_metadata):
        with pytest.raises(FileNotFoundError):
            load(tmp_path / "none.safetensors")
    with pytest.raises(FileNotFoundError):
        load_foreign(fresh(), tmp_path / "none.pt")


def plain(state):
    return state


def nested(state):
    return {"epoch": 3, "state_dict": state, "optimizer": {"lr": 0.1}}


def contrastive(state):
    other = {f"module.encoder_k.{k}": torch.zeros_like(v) for k, v in state.items()}
    mine = {f"module.encoder_q.{k}": v for k, v in state.items()}
    head = {"module.encoder_q.fc.weight": torch.ones(3, 8)}
    return {**other, **mine, **head, "module.queue": torch.ones(4)}


def without_derived(state):
    return {k: v for k, v in state.items() if k != "A" and "num_batches" not in k}


def flat_pointwise(state):
    return {k: v.squeeze() if "gcn.conv.weight" in k else v for k, v in state.items()}


@pytest.mark.parametrize(
    "wrap", [plain, nested, contrastive, without_derived, flat_pointwise], ids=lambda f: f.__name__
)
def test_foreign_torch_files_load(model, tmp_path, wrap):
    path = tmp_path / "foreign.pt"
    torch.save(wrap(model.state_dict()), path)
    other = fresh()
    load_foreign(other, path)
    assert_same_weights(model, other)


def test_names_left_aside_are_returned(model, tmp_path):
    path = tmp_path / "foreign.pth"
    torch.save({**model.state_dict(), "fcn.weight": torch.ones(60, 8, 1, 1)}, path)
    assert load_foreign(fresh(), path) == ["fcn.weight"]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(content=st.binary(max_size=200), kept=st.integers(0, 2000))
def test_bytes_of_any_kind_are_refused_with_their_name(tmp_path_factory, content, kept):
    buffer = io.BytesIO()
    torch.save({"weight": torch.ones(3)}, buffer)
    path = tmp_path_factory.mktemp("bytes") / "foreign.pt"
    path.write_bytes(buffer.getvalue()[:kept] + content)
    with pytest.raises(InputError, match=r"foreign\.pt"):
        load_foreign(fresh(), path)


def test_foreign_safetensors_load(model, tmp_path):
    path = tmp_path / "foreign.safetensors"
    save_file({f"module.{k}": v for k, v in model.state_dict().items()}, path)
    other = fresh()
    load_foreign(other, path)
    assert_same_weights(model, other)


def test_every_fault_is_in_one_message_and_nothing_is_loaded(model, tmp_path):
    state = model.state_dict()
    del state["edge_importance.3"]
    state["data_bn.weight"] = torch.ones(3)
    state["gcn.extra"] = torch.ones(3)
    path = tmp_path / "foreign.pt"
    torch.save(state, path)
    other = fresh()
    before = {k: v.clone() for k, v in other.state_dict().items()}
    with pytest.raises(InputError) as fault:
        load_foreign(other, path)
    message = str(fault.value)
    for part in (
        "foreign.pt",
        "1 missing: edge_importance.3",
        "1 unexpected: gcn.extra",
        "data_bn.weight (3,) instead of (75,)",
    ):
        assert part in message
    for name, value in other.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_another_architecture_is_refused(tmp_path):
    path = tmp_path / "foreign.pt"
    torch.save({"conv1.weight": torch.ones(64, 3, 7, 7)}, path)
    with pytest.raises(InputError, match="missing: .* and .* more; 1 unexpected: conv1.weight"):
        load_foreign(fresh(), path)


def test_another_width_is_refused(model, tmp_path):
    path = tmp_path / "backbone.safetensors"
    save_backbone(path, model, {})
    with pytest.raises(InputError, match="of another shape: .* instead of"):
        load_foreign(build("stgcn", hidden=8, features=8), path)


@pytest.mark.parametrize("content", [{"epoch": 3}, 7, {"state_dict": {}}])
def test_files_without_tensors_are_refused(tmp_path, content):
    path = tmp_path / "foreign.pt"
    torch.save(content, path)
    with pytest.raises(InputError, match="expected tensors by name"):
        load_foreign(fresh(), path)


def test_pickled_objects_are_refused_with_the_way_out(tmp_path):
    path = tmp_path / "foreign.pt"
    torch.save({"model": np.random.default_rng}, path)
    with pytest.raises(InputError, match="weights_only=True .* save its state_dict"):
        load_foreign(fresh(), path)


def test_a_broken_torch_file_is_refused(tmp_path):
    path = tmp_path / "foreign.pt"
    path.write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(InputError, match="foreign.pt"):
        load_foreign(fresh(), path)


def test_a_damaged_backbone_is_refused_wherever_the_damage_is(model, tmp_path):
    path = tmp_path / "backbone.safetensors"
    save_backbone(path, model, {"seen": [0, 2], "class_names": ["drink", "eat", "wave"]})
    whole = path.read_bytes()
    wanted = load_backbone(path)
    rng = np.random.default_rng(0)
    header = 8 + int.from_bytes(whole[:8], "little")
    places = [*rng.integers(0, header, 200), *rng.integers(header, len(whole), 50)]
    taken = 0
    for place in places:
        broken = bytearray(whole)
        broken[place] ^= 1 << rng.integers(8)
        path.write_bytes(broken)
        try:
            found, facts = load_backbone(path)
        except InputError as error:
            assert "backbone.safetensors" in str(error)
            continue
        taken += 1  # the flip changed nothing that counts, such as a space
        assert facts == wanted[1]
        assert_same_weights(wanted[0], found)
    assert taken < 20


@pytest.mark.parametrize("kept", [0, 7, 8, 100, -1])
def test_a_cut_backbone_is_refused(model, tmp_path, kept):
    path = tmp_path / "backbone.safetensors"
    save_backbone(path, model, {})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match="backbone.safetensors"):
        load_backbone(path)


def test_a_backbone_of_before_has_no_digest_and_loads(model, tmp_path):
    path = tmp_path / "backbone.safetensors"
    facts = {"backbone": "stgcn", "config": model.config}
    save_file(model.state_dict(), path, metadata={"smie-pipe": json.dumps(facts)})
    assert_same_weights(model, load_backbone(path)[0])
