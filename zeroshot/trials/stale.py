"""Results that no longer belong to the features that lie beside them. No torch."""

from __future__ import annotations

import logging
from dataclasses import replace

from smie_pipe.backbones.features.store import FeatureFile
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.trials.results import Results

logger = logging.getLogger(__name__)


def current(results: Results) -> Results:
    """Leave out what was found on features that have been made anew since, and say so.

    A split whose features file is not there, or cannot be read, keeps its results.
    """
    made: dict[str, str | None] = {}
    for split in {entry.split for entry in results.entries}:
        file = FeatureFile(results.run_dir / split / "features.h5")
        try:
            made[split] = file.digest if file.path.is_file() else None
        except InputError as error:
            logger.warning("results of %s are not compared with its features: %s", split, error)
            made[split] = None
    kept = [
        entry
        for entry in results.entries
        if made[entry.split] in (None, entry.digest.partition("-")[0])
    ]
    gone = len(results.entries) - len(kept)
    if gone:
        logger.warning(
            "%d results in %s are of features that have been made anew since, and are left out "
            "of the tables: give their methods again to have them back",
            gone,
            results.run_dir,
        )
    return replace(results, entries=kept)
