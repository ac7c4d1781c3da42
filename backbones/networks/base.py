"""What every backbone is: clips in, one vector of features a clip out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from torch import nn

if TYPE_CHECKING:
    from smie_pipe.backbones.config import PretrainConfig


class Backbone(nn.Module):
    """A network from clips (N, 3, T, 25, 2) to features (N, ``features``).

    A new one is a subclass in a file of its own and a line in ``registry.BACKBONES``; training,
    extraction and the weights' file ask for nothing else.

    Attributes
    ----------
    features
        Length of the output.
    config
        The arguments that build the same network again, as plain values for JSON.
    idle
        How the names of weights end that have nothing to learn, see ``freeze_idle``.
    """

    features: int
    config: dict[str, Any]
    idle: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def options(cls, config: PretrainConfig) -> dict[str, Any]:
        """Return the network's own arguments for a pretraining with ``config``."""
        return {}


def freeze_idle(model: Backbone) -> list[str]:
    """Take weights out of training that have nothing to learn, and return their names.

    A bias that batch normalisation subtracts again has a gradient of zero but for rounding
    errors, which Adam would scale up to whole steps: the bias would wander, the running mean
    after it, and two runs that add up in another order (one process or two) would part here
    first.
    """
    names = [name for name, _ in model.named_parameters()]
    idle = [name for name in names if name.endswith(model.idle)] if model.idle else []
    for name in idle:
        model.get_parameter(name).requires_grad_(False)
    return idle
