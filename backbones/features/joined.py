"""From a clip to the vector that methods read: by the backbone, by kinematics, or both joined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from smie_pipe.backbones.kinematics.features import KinematicFeatures, Scaling
from smie_pipe.backbones.kinematics.quantities import quantities
from smie_pipe.preprocessing.foundation.errors import InputError

Array = np.ndarray
SOURCES = ("backbone", "kinematic", "both")


@dataclass(frozen=True, eq=False)
class ClipFeatures:
    """How the features of a file were made, fit to make those of another clip.

    With ``source`` ``both``, each block is scaled by its deviation over the seen training clips
    and by its width, so that both blocks weigh the same in any distance, whatever their widths.

    Attributes
    ----------
    source
        One of ``SOURCES``.
    kinematic
        None for ``backbone``.
    backbone
        Scaling of the backbone's block; only for ``both``.
    """

    source: str = "backbone"
    kinematic: KinematicFeatures | None = None
    backbone: Scaling | None = None

    @classmethod
    def of(
        cls, source: str, network: Array | None, raw: Array | None, components: int = 0
    ) -> ClipFeatures:
        """Return how features are made, by the seen training clips.

        Parameters
        ----------
        network
            The backbone's features of these clips, (N, 256); None where ``source`` needs none.
        raw
            Their quantities, (N, K); None where ``source`` needs none.
        components
            As for ``KinematicFeatures.of``.
        """
        kinematic = None if raw is None else KinematicFeatures.of(raw, components)
        scaling = Scaling.of(network) if source == "both" and network is not None else None
        return cls(source, kinematic, scaling)

    @property
    def needs_backbone(self) -> bool:
        """Whether a backbone has to be run."""
        return self.source != "kinematic"

    def from_clips(
        self, x: Array | None, network: Array | None = None, place: Array | None = None
    ) -> Array:
        """Return the features of clips, (N, width) float32.

        Parameters
        ----------
        x
            Clips (N, 3, T, V, M) as in skeletons.h5; not read for ``backbone``.
        network
            The backbone's features of the same clips, (N, 256); not read for ``kinematic``.
        place
            Where each body was, (N, T, M, 4), where it is known.
        """
        raw = None if self.source == "backbone" or x is None else quantities(x, place)
        return self.join(network, raw)

    def join(self, network: Array | None, raw: Array | None) -> Array:
        """Return the features by the backbone's (N, 256) and the quantities (N, K)."""
        if self.kinematic is None:
            assert network is not None
            return np.asarray(network, np.float32)
        assert raw is not None
        own = self.kinematic.apply(raw)
        if self.backbone is None:
            return own
        assert network is not None
        blocks = [self.backbone.apply(network), own]
        total = sum(block.shape[1] for block in blocks)
        return np.concatenate(
            [block * np.sqrt(total / (2 * block.shape[1])) for block in blocks], axis=1
        ).astype(np.float32)

    def state(self) -> dict[str, Array]:
        """Return the arrays by name; the source itself is kept beside them."""
        found: dict[str, Array] = {}
        if self.kinematic is not None:
            found |= {f"kinematic.{name}": a for name, a in self.kinematic.state().items()}
        if self.backbone is not None:
            found |= {"backbone.mean": self.backbone.mean, "backbone.factor": self.backbone.factor}
        return found

    @classmethod
    def restore(cls, source: str, state: Mapping[str, Array]) -> ClipFeatures:
        """Return how features of a source were made, by the arrays of ``state``.

        Raises
        ------
        InputError
            If the arrays are not those of the source, or of another version.
        """
        if source not in SOURCES:
            raise InputError(f"features of source {source!r}, expected {', '.join(SOURCES)}")
        mark = "kinematic."
        own = {name[len(mark) :]: a for name, a in state.items() if name.startswith(mark)}
        kinematic = KinematicFeatures.restore(own) if source != "backbone" else None
        if source != "both":
            return cls(source, kinematic)
        missing = {"backbone.mean", "backbone.factor"} - set(state)
        if missing:
            raise InputError(f"joined features lack {', '.join(sorted(missing))}")
        scaling = Scaling(np.asarray(state["backbone.mean"]), np.asarray(state["backbone.factor"]))
        return cls(source, kinematic, scaling)
