"""The clips of skeletons.h5 as other people's code reads them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.progress import progress
from smie_pipe.preprocessing.foundation.whole_files import replace_when_whole
from smie_pipe.preprocessing.layouts.arrays import NUMBERS
from smie_pipe.preprocessing.skeletons.store import SkeletonFile

BATCH_CLIPS = 256


def export_arrays(skeletons: Path, folder: Path, protocol: str) -> dict[str, int]:
    """Write ``{train,val}_position.npy`` and their labels for other people's code.

    Parameters
    ----------
    skeletons
        A ``skeletons.h5``.
    folder
        Where to write; made if missing.
    protocol
        What trains and what does not, see `SkeletonFile.protocol`.

    Returns
    -------
    dict[str, int]
        Number of clips written for ``train`` and ``val``.

    Raises
    ------
    InputError
        If there is no such protocol, or one part of it is empty.

    Notes
    -----
    Labels are ``{train,val}_label.npy`` and ``{train,val}_label.json``, the latter holding
    [names, labels]. Most code wants them as ``.pkl``, which this program never writes, since
    reading one runs it. These two lines make one::

        import json, pickle
        pickle.dump(json.load(open("train_label.json")), open("train_label.pkl", "wb"))
    """
    with SkeletonFile(skeletons) as file:
        parts = file.protocol(protocol)
        rows = {part: np.flatnonzero(parts == number) for part, number in NUMBERS.items()}
        empty = [part for part, chosen in rows.items() if not len(chosen)]
        if empty:
            raise InputError(f"{skeletons}: protocol {protocol!r} has no clips for {empty[0]}")
        for part, chosen in rows.items():
            _export_part(file, folder, part, chosen)
    return {part: len(chosen) for part, chosen in rows.items()}


def _export_part(file: SkeletonFile, folder: Path, part: str, rows: np.ndarray) -> None:
    save_clips(file, folder / f"{part}_position.npy", rows, what=f"export {part}")
    with (
        replace_when_whole(folder / f"{part}_label.npy") as temporary,
        open(temporary, "wb") as opened,
    ):
        np.save(opened, file.label[rows])
    with replace_when_whole(folder / f"{part}_label.json") as temporary:
        pair = [file.name[rows].tolist(), file.label[rows].tolist()]
        temporary.write_text(json.dumps(pair), encoding="utf-8")


def save_clips(file: SkeletonFile, path: Path, rows: np.ndarray, what: str = "export") -> None:
    """Write clips (n, 3, T, 25, 2) float32 as ``.npy``, some hundreds in memory at a time."""
    with replace_when_whole(path) as temporary:
        shape = (len(rows), *file.x.shape[1:])
        out = np.lib.format.open_memmap(temporary, "w+", np.float32, shape)
        firsts = range(0, len(rows), BATCH_CLIPS)
        for first in progress(firsts, what=what, unit="batch"):
            chosen = rows[first : first + BATCH_CLIPS]
            out[first : first + len(chosen)] = file.x[chosen]
        out.flush()
