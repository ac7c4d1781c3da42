"""Files of flat (2D) poses, told from others to be refused with the reason."""

from __future__ import annotations

import re

from smie_pipe.preprocessing.trackers.joints.recording import LIFT_FIRST

_YOLO_KEYPOINTS = (2 * 17, 3 * 17)
_NUMBERS = re.compile(rb"[0-9eE.+\- \t]+")


def flat_kind(name: str, head: bytes) -> str | None:
    """Return who writes such flat poses, None where a file is no known one's."""
    if b'"pose_keypoints_2d"' in head:
        return "OpenPose (BODY_25 or COCO-18, x, y and confidence)"
    if b'"keypoints"' in head and (b'"category_id"' in head or b'"image_id"' in head):
        return "COCO-17 (x, y and confidence)"
    first = head.partition(b"\n")[0].strip()
    if name.endswith(".txt") and first and _NUMBERS.fullmatch(first):
        count = len(first.split()) - 5  # class and box before the joints
        if count in _YOLO_KEYPOINTS:
            return "YOLO pose (x, y and visibility)"
    return None


def why_not(kind: str) -> str:
    """Return the sentence that refuses such a file."""
    return f"expected joints in 3D, found flat ones of {kind}. {LIFT_FIRST}"
