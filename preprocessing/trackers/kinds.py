"""The names of trackers and joint sets, for the command line; it needs nothing else."""

from __future__ import annotations

TITLES = {
    "azure": "Azure Kinect, Orbbec Femto: k4abt JSON",
    "zed": "ZED SDK body tracking: JSON of 18, 34 or 38 joints",
    "mediapipe": "MediaPipe world landmarks: CSV or array",
    "csv": "any table of named joints",
    "trc": "OpenSim, Pose2Sim, OpenCap: TRC",
    "bvh": "motion capture: BVH",
    "mmpose": "MMPose 3D predictions: JSON, 17 joints",
    "h36m": "17 joints of Human3.6M, MotionBERT: array",
    "smpl": "22 joints of SMPL, HumanML3D: array",
    "kinect-v1": "Kinect v1, 20 joints: CSV, array or text",
    "movement": "movement: netCDF",
    "array": "joints of a Kinect v2 or another tracker: array",
    "jsonl": "JSON lines, a frame a line",
    "c3d": "motion capture: C3D, needs smie-pipe[mocap]",
}
"""What can be read, by name."""

WRITABLE = (
    "azure", "zed-18", "zed-34", "zed-38", "mediapipe", "csv", "trc", "bvh", "mmpose", "h36m",
    "smpl", "kinect-v1", "movement", "array", "jsonl",
)  # fmt: skip
"""What ``simulate --as`` writes."""

JOINT_SETS = (
    "azure-32", "zed-18", "zed-34", "zed-38", "mediapipe-33", "h36m-17", "smpl-22",
    "kinect-v1-20", "kinect-v2-25",
)  # fmt: skip
"""The sets of joints in ``data/tracker_skeletons.json``."""
