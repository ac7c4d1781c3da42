"""The scores of a trained method for a fixed list of labels, as a plain network.

A method scores clips against any class texts. With the labels fixed, all that it computes of
the texts is constant, and what is left is a small network from features to one score a label.
It gives the numbers of ``Method.score`` with the sums in another order. Here it is written in
public torch functions alone, so that an exporter can follow it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.methods.align import Align
from smie_pipe.zeroshot.methods.base import Method, normalise, scaled
from smie_pipe.zeroshot.methods.cadavae import CADAVAE
from smie_pipe.zeroshot.methods.contrastive import Contrastive
from smie_pipe.zeroshot.methods.devise import DeViSE
from smie_pipe.zeroshot.methods.flora import Flora, FloraNet, pair_scores
from smie_pipe.zeroshot.methods.jpose import JPoSE
from smie_pipe.zeroshot.methods.prototypes import Prototypes
from smie_pipe.zeroshot.methods.relationnet import RelationNet
from smie_pipe.zeroshot.methods.revise import ReViSE, log_scaled
from smie_pipe.zeroshot.methods.ridge import Ridge
from smie_pipe.zeroshot.methods.sadvae import SADVAE
from smie_pipe.zeroshot.methods.smie import SMIE
from smie_pipe.zeroshot.methods.tdsm import TDSM, Denoiser, error_scores
from smie_pipe.zeroshot.texts.class_texts import ClassTexts


class LabelScorer(nn.Module):
    """A function of features (N, Dv) and constants or networks to scores (N, K), as a module."""

    def __init__(self, compute: Callable[..., Tensor], **constants: Tensor | nn.Module | None):
        super().__init__()
        self.compute, self.names = compute, tuple(constants)
        for name, value in constants.items():
            if isinstance(value, nn.Module):
                self.add_module(name, value)
            else:
                self.register_buffer(name, None if value is None else value.detach().clone())

    def forward(self, v: Tensor) -> Tensor:
        """Return the scores (N, K), float32, of raw features (N, Dv)."""
        return self.compute(v, *(getattr(self, name) for name in self.names)).float()


@singledispatch
def label_scorer(method: Method, texts: ClassTexts) -> LabelScorer:
    """Return the network that scores features against these texts as the method does.

    Parameters
    ----------
    method
        Trained or restored, on the CPU.
    texts
        Of the labels, just as ``Method.score`` would be given them.

    Raises
    ------
    InputError
        For a method that this module does not know, such as one of the user's own.
    """
    name = getattr(method, "name", type(method).__name__)
    raise InputError(
        f"method {name} cannot be written as ONNX: zeroshot/onnx/scorers.py says how "
        "each built-in method scores a fixed list of labels, and this is none of them"
    )


@label_scorer.register
@torch.no_grad()
def _smie(method: SMIE, texts: ClassTexts) -> LabelScorer:
    net, both = method.net, method.layer_norm == "both"
    text = net.text(texts.sentence.to(net.visual.weight))

    def score(v: Tensor, visual: Tensor, text: Tensor, *layers: Tensor) -> Tensor:
        v = normalise(v) if both else v
        hidden = F.relu(F.linear(v, visual)[:, None] + text)  # (N, K, H1)
        hidden = F.relu(F.linear(hidden, layers[0], layers[1]))
        return F.linear(hidden, layers[2], layers[3]).squeeze(-1)

    return LabelScorer(
        score,
        visual=net.visual.weight,
        text=text,
        weight2=net.second.weight,
        bias2=net.second.bias,
        weight3=net.third.weight,
        bias3=net.third.bias,
    )


@label_scorer.register
@torch.no_grad()
def _devise(method: DeViSE, texts: ClassTexts) -> LabelScorer:
    visual = method.net.visual
    classes = method.net.text(texts.sentence.to(visual.weight))

    def score(v: Tensor, weight: Tensor, bias: Tensor, classes: Tensor) -> Tensor:
        return F.linear(normalise(v), weight, bias) @ classes.T

    return LabelScorer(score, weight=visual.weight, bias=visual.bias, classes=classes)


@label_scorer.register
@torch.no_grad()
def _relationnet(method: RelationNet, texts: ClassTexts) -> LabelScorer:
    net = method.net
    for_v, for_a = net.relation.weight.chunk(2, dim=1)
    classes = net.text(scaled(texts.sentence.to(for_a)))

    def score(v: Tensor, visual: Tensor, bias: Tensor, for_v: Tensor, *rest: Tensor) -> Tensor:
        clips = F.linear(normalise(v), visual, bias) @ for_v.T
        classes, weight, bias = rest
        return F.linear(F.relu(clips[:, None] + classes), weight, bias).squeeze(-1)

    return LabelScorer(
        score,
        visual=net.visual.weight,
        visual_bias=net.visual.bias,
        for_v=for_v,
        classes=F.linear(classes, for_a, net.relation.bias),
        out=net.out.weight,
        out_bias=net.out.bias,
    )


@label_scorer.register
@torch.no_grad()
def _revise(method: ReViSE, texts: ClassTexts) -> LabelScorer:
    net = method.net
    code, head = net.visual_in, _linear(net.visual_head)
    classes = net.text_head(net.text_in(texts.sentence.to(code.weight)))

    def score(v: Tensor, code: Tensor, code_bias: Tensor, *rest: Tensor) -> Tensor:
        head, head_bias, classes = rest
        hidden = F.relu(F.linear(log_scaled(v), code, code_bias))
        return torch.tanh(F.linear(hidden, head, head_bias)) @ classes.T

    return LabelScorer(
        score,
        code=code.weight,
        code_bias=code.bias,
        head=head.weight,
        head_bias=head.bias,
        classes=classes,
    )


@label_scorer.register
@torch.no_grad()
def _jpose(method: JPoSE, texts: ClassTexts) -> LabelScorer:
    net = method.net
    layers = [_linear(part) for part in (net.verb.visual, net.noun.visual, net.visual)]
    verb, noun = (x.to(layers[0].weight) for x in texts.parts_of_speech(method.name))
    features = torch.zeros(1, layers[0].in_features)
    classes = net(features, verb, noun)[-1][1]

    def score(v: Tensor, *constants: Tensor) -> Tensor:
        *weights, classes = constants
        v = F.normalize(v, dim=1)
        spaces = [
            F.normalize(torch.tanh(F.linear(v, *weights[at : at + 2])), dim=1) for at in (0, 2)
        ]
        joint = torch.tanh(F.linear(torch.cat(spaces, dim=1), *weights[4:]))
        return F.normalize(joint, dim=1) @ classes.T

    ordered: dict[str, Tensor] = {}
    for i, layer in enumerate(layers):
        ordered |= {f"weight{i}": layer.weight, f"bias{i}": layer.bias}
    return LabelScorer(score, **ordered, classes=classes)


@label_scorer.register
def _cadavae(method: CADAVAE, texts: ClassTexts) -> LabelScorer:
    encoder = method.net.visual.encoder
    with torch.no_grad():
        parts = [scaled(x.to(encoder.weight)) for x in method._parts(texts)]
        mean, log_variance = method.net.encode_texts(parts)
    softmax = method._classifier(mean, log_variance)  # the one that score() would train
    half = len(encoder.weight) // 2

    def score(v: Tensor, weight: Tensor, bias: Tensor, *softmax: Tensor) -> Tensor:
        return F.log_softmax(F.linear(F.linear(normalise(v), weight, bias), *softmax), dim=1)

    return LabelScorer(
        score,
        weight=encoder.weight[:half],
        bias=encoder.bias[:half],
        classes=softmax.weight,
        classes_bias=softmax.bias,
    )


@label_scorer.register
def _sadvae(method: SADVAE, texts: ClassTexts) -> LabelScorer:
    encoder, softmax, r = method.net.visual_encoder, method.classifier(texts), method.semantic

    def score(v: Tensor, weight: Tensor, bias: Tensor, *softmax: Tensor) -> Tensor:
        return F.log_softmax(F.linear(F.linear(normalise(v), weight, bias), *softmax), dim=1)

    return LabelScorer(
        score,
        weight=encoder.weight[:r],
        bias=encoder.bias[:r],
        classes=softmax.weight,
        classes_bias=softmax.bias,
    )


@label_scorer.register
def _flora(method: Flora, texts: ClassTexts) -> LabelScorer:
    classes, noise = method.class_latents(texts)

    def score(v: Tensor, net: FloraNet, classes: Tensor, noise: Tensor) -> Tensor:
        return pair_scores(net, normalise(v), classes, noise, method.flow)

    return LabelScorer(score, net=method.net, classes=classes, noise=noise)


@label_scorer.register
def _tdsm(method: TDSM, texts: ClassTexts) -> LabelScorer:
    table = scaled(texts.sentence.to(method.net.mean))

    def score(v: Tensor, net: Denoiser, table: Tensor, noises: Tensor) -> Tensor:
        return error_scores(net, v, table, noises, method.predicts)

    return LabelScorer(score, net=method.net, table=table, noises=method.noises())


@label_scorer.register
def _contrastive(method: Contrastive, texts: ClassTexts) -> LabelScorer:
    def score(v: Tensor, net: nn.Module, candidates: Tensor) -> Tensor:
        return F.normalize(net(normalise(v)), dim=1) @ candidates.T

    candidates = texts.sentence.to(next(method.net.parameters()))
    return LabelScorer(score, net=method.net, candidates=candidates)


@label_scorer.register
def _ridge(method: Ridge, texts: ClassTexts) -> LabelScorer:
    candidates = F.normalize(texts.sentence.to(method.mean) - method.centre, dim=1)

    def score(v: Tensor, mean: Tensor, scale: Tensor, *rest: Tensor) -> Tensor:
        weight, offset, candidates = rest
        predicted = F.normalize((v.double() - mean) / scale @ weight + offset, dim=1)
        return predicted @ candidates.T

    return LabelScorer(
        score,
        mean=method.mean,
        scale=method.scale,
        weight=method.weight,
        offset=method.offset,
        candidates=candidates,
    )


@label_scorer.register
def _prototypes(method: Prototypes, texts: ClassTexts) -> LabelScorer:
    def score(v: Tensor, mean: Tensor, basis: Tensor, prototypes: Tensor) -> Tensor:
        x = (v.double() - mean) @ basis
        return -(x[:, None] - prototypes).square().sum(-1)

    return LabelScorer(
        score, mean=method.mean, basis=method.basis, prototypes=method.prototypes(texts)
    )


@label_scorer.register
def _align(method: Align, texts: ClassTexts) -> LabelScorer:
    candidates = F.normalize(texts.sentence.to(method.weight) - method.centre, dim=1)

    def score(v: Tensor, weight: Tensor, bias: Tensor, candidates: Tensor) -> Tensor:
        return F.normalize(F.linear(v, weight, bias), dim=1) @ candidates.T

    return LabelScorer(score, weight=method.weight, bias=method.bias, candidates=candidates)


def _linear(part: nn.Sequential) -> nn.Linear:
    """Return the linear layer that a part of a network begins with."""
    layer = part[0]
    assert isinstance(layer, nn.Linear)
    return layer
