"""Name an action with onnxruntime and numpy alone: python onnx_example.py MODEL.onnx JOINTS.npy.

JOINTS.npy holds the 25 joints of a Kinect v2 body in metres, (T, 25, 3), or of two bodies,
(T, 2, 25, 3) with NaN in the frames where one is absent. The recipe below is that of SMIE,
section 4.2, as `smie-pipe preprocess` makes its clips.
"""

import json
import sys

import numpy as np
import onnxruntime

SHOULDER_LEFT, SHOULDER_RIGHT, SPINE_SHOULDER = 4, 8, 20


def clip(joints, frames=50):
    """Bring joints (T, M, 25, 3) to what the model reads: (3, frames, 25, 2)."""
    joints = joints[~np.isnan(joints[:, :, SPINE_SHOULDER, 0]).all(1)]  # frames with a body
    joints = joints - joints[:, :, [SPINE_SHOULDER]]
    length = len(joints)
    place = np.clip((np.arange(frames) + 0.5) * length / frames - 0.5, 0, length - 1)
    before = place.astype(int)
    after, share = np.minimum(before + 1, length - 1), (place - before)[:, None, None, None]
    mixed = joints[before] + (joints[after] - joints[before]) * share
    nearer = np.where(share < 0.5, joints[before], joints[after])
    mixed = np.where(np.isnan(mixed), nearer, mixed)
    line = mixed[:, :, SHOULDER_RIGHT] - mixed[:, :, SHOULDER_LEFT]
    cos = line[..., 0] / (np.hypot(line[..., 0], line[..., 2]) + 1e-4)
    sign = np.where(np.nansum(line[..., 2], axis=0) >= 0, -1, 1)
    cos, sin = cos[..., None], (sign * np.sqrt(1 - cos * cos))[..., None]
    x, z = mixed[..., 0].copy(), mixed[..., 2].copy()
    mixed[..., 0], mixed[..., 2] = cos * x - sin * z, sin * x + cos * z
    done = np.zeros((3, frames, 25, 2), np.float32)
    done[..., : mixed.shape[1]] = np.nan_to_num(mixed).transpose(3, 0, 2, 1)
    return done


session = onnxruntime.InferenceSession(sys.argv[1])
said = session.get_modelmeta().custom_metadata_map
labels, recipe = json.loads(said["labels"]), json.loads(said["recipe"])
assert recipe["turn"] == "recipe", "this example knows the default recipe only"
joints = np.load(sys.argv[2]).astype(np.float64)
joints = joints[:, None] if joints.ndim == 3 else joints
scores = session.run(["scores"], {"clips": clip(joints, recipe["frames"])[None]})[0][0]
for place in np.argsort(-scores):
    print(f"{scores[place]:+.5f}  {labels[place]}")
