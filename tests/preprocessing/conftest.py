"""Small raw files of both layouts, written as the datasets have them."""

import zipfile

import numpy as np
import pytest

POSE = np.zeros((25, 3))
POSE[:, 1] = np.linspace(-0.9, 0.8, 25)
POSE[[0, 1, 20]] = [[0, 0, 0], [0, 0.25, 0], [0, 0.5, 0]]
POSE[4], POSE[8] = [-0.18, 0.45, 0], [0.18, 0.45, 0]


def person(frames, x=0.0, seed=0, wander=0.005):
    """A person (T, 25, 3) at x metres who wanders by 5 mm a frame, 3 m before the sensor."""
    rng = np.random.default_rng(seed)
    way = rng.normal(0, wander, (frames, 1, 3)).cumsum(axis=0)
    return (POSE + [x, 0, 3] + way + rng.normal(0, 0.002, (frames, 25, 3))).round(6)


def skeleton_text(*bodies, first_id=72057594037931101):
    """The text of a .skeleton file with bodies (T, 25, 3), NaN where one is absent."""
    lines = [str(len(bodies[0]))]
    for frame in range(len(bodies[0])):
        there = [
            (first_id + i, b[frame])
            for i, b in enumerate(bodies)
            if b[frame, 0, 0] == b[frame, 0, 0]
        ]
        lines.append(str(len(there)))
        for body_id, joints in there:
            lines += [f"{body_id} 0 1 1 1 1 0 0.02 0.05 2", "25"]
            lines += [f"{x:.6f} {y:.6f} {z:.6f} 250 200 960 540 0 0 0 1 2" for x, y, z in joints]
    return ("\r\n".join(lines) + "\r\n").encode()


def pku_skeleton_text(first, second=None):
    """The text of a PKU-MMD skeleton file with one or two bodies (T, 25, 3)."""
    second = np.zeros_like(first) if second is None else second
    rows = np.concatenate([first.reshape(-1, 75), second.reshape(-1, 75)], axis=1)
    return "".join(" ".join(f"{v:.6f}" for v in row) + "\n" for row in rows).encode()


@pytest.fixture
def ntu_folder(tmp_path):
    """Twelve clips of NTU-60 in two folders: actions 1 and 50, performers 1 to 3, 2 cameras."""
    seed = 0
    for action in (1, 50):
        for performer in (1, 2, 3):
            for camera in (1, 2):
                seed += 1
                folder = tmp_path / "raw" / f"s{camera:03d}"
                folder.mkdir(parents=True, exist_ok=True)
                bodies = [
                    person(10 + seed, 0.4 * i, seed + 100 * i) for i in range(1 + (action == 50))
                ]
                name = f"S001C{camera:03d}P{performer:03d}R001A{action:03d}.skeleton"
                (folder / name).write_bytes(skeleton_text(*bodies))
    return tmp_path / "raw"


@pytest.fixture
def pku_folder(tmp_path):
    """Four recordings of 60 frames with two actions each, under the names Part I is given out."""
    raw = tmp_path / "PKUMMD"
    folders = [raw / name for name in ("PKU_Skeleton_Renew", "Train_Label_PKU_final", "Split")]
    for folder in folders:
        folder.mkdir(parents=True)
    for seed, name in enumerate(("0002-L", "0002-M", "0003-L", "0003-M")):
        (folders[0] / f"{name}.txt").write_bytes(pku_skeleton_text(person(60, 0, seed)))
        (folders[1] / f"{name}.txt").write_text("1,1,25,2\n14,31,60,1\n")
    lists = {
        "subject": ("0002-L, 0002-M", "0003-L, 0003-M"),
        "view": ("0002-L,0003-L", "0002-M,0003-M"),
    }
    for kind, (train, test) in lists.items():
        text = f"Training videos: \n{train}, \nValidation videos: \n{test}, \n"
        (folders[2] / f"cross-{kind}.txt").write_text(text)
    return raw


@pytest.fixture
def zipped():
    """A function that packs a folder into an archive: deflated, with a folder inside."""

    def pack(folder, archive, method=zipfile.ZIP_DEFLATED, prefix="nturgb+d_skeletons/"):
        with zipfile.ZipFile(archive, "w", method) as file:
            for path in sorted(folder.rglob("*.*")):
                if path.is_file():
                    file.write(path, prefix + path.relative_to(folder).as_posix())
        return archive

    return pack
