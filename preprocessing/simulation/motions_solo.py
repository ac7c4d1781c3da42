"""What the simulated performers do with their hands: a short function for each action.

Each function says with the body what the action's name says in words: which hand goes where,
which leg lifts, where the trunk bends, how often and how fast. Motions of related names use the
same places and moves, because people do; nothing here was chosen by the score of any model.
Directions are (out, up, forward), lengths metres of a person of 1.70 m.
"""

from __future__ import annotations

import numpy as np

from smie_pipe.preprocessing.simulation.acting import BOTH, Play, xyz
from smie_pipe.preprocessing.simulation.kinematics import LEFT, RIGHT

# -- hand to head -----------------------------------------------------------------------------


def drink_water(p: Play) -> None:
    """Lift a cup to the mouth, tip the head back, lower it."""
    sip = p.hold(0.35, 0.5, 0.65, 0.75)
    p.reach(RIGHT, "mouth", p.hold(0.1, 0.4, 0.7, 0.95), (0.0, 0.03, 0.0) + 0.03 * xyz(0, sip, 0))
    p.look(down=-p.vary(0.35, 0.3) * sip)


def eat_meal(p: Play) -> None:
    """Bring food from a plate in the other hand to the mouth, two or three times."""
    up = p.hold(0.02, 0.15, 0.85, 1.0)
    p.reach(LEFT, "work", up)
    p.reach(RIGHT, "work", up)
    p.reach(RIGHT, "mouth", up * (0.5 - 0.5 * p.swing(0.7, 0.25)) ** 0.7)
    p.look(down=0.25 * up)


def brush_teeth(p: Play) -> None:
    """Hold a hand at the mouth and move it quickly back and forth."""
    up = p.hold(0.05, 0.22, 0.85, 1.0)
    scrub = p.vary(0.035, 0.2) * p.swing(3.0)
    p.reach(RIGHT, "mouth", up, xyz(0.03 + scrub, 0, 0.02), elbow=(0.9, -0.4, 0.1))
    p.look(down=0.1 * up)


def brush_hair(p: Play) -> None:
    """Stroke with one hand from the crown down the side of the head."""
    up = p.hold(0.05, 0.22, 0.82, 1.0)
    stroke = p.swing(1.1)
    p.reach(RIGHT, "crown", up, xyz(0.03, -0.02 + 0.10 * stroke, -0.05 + 0.05 * stroke))
    p.look(tilt=0.15 * up)


def wipe_face(p: Play) -> None:
    """Rub one hand or both over the face, up and down and across."""
    up = p.hold(0.05, 0.25, 0.8, 0.98)
    hands = BOTH if p.rng.random() < 0.5 else RIGHT
    p.reach(hands, "eyes", up, xyz(0.05 * p.swing(0.8, 0.3), 0.07 * p.swing(1.6), 0))
    p.look(down=0.15 * up)


def phone_call(p: Play) -> None:
    """Hold a telephone to the ear."""
    up = p.hold(0.05, 0.25, 0.92, 1.05)
    p.reach(RIGHT, "ear", up, fingers=(-0.2, 1.0, 0.0))
    p.look(tilt=p.vary(0.15, 0.4) * up, left=0.1 * p.swing(0.2) * up)


def salute(p: Play) -> None:
    """Bring a flat hand to the temple, elbow out, and stand upright."""
    up = p.hold(0.15, 0.36, 0.7, 0.9)
    p.reach(RIGHT, "temple", up, fingers=(-1.0, 0.4, 0.0))
    p.bend(pitch=-0.05 * up)
    p.look(down=-p.manner.gaze * up)


def put_on_hat(p: Play) -> None:
    """Take a hat in both hands from the belly over the head."""
    p.reach(BOTH, "work", p.hold(0.0, 0.15, 0.75, 0.98))
    up = p.hold(0.25, 0.5, 0.7, 0.9)
    p.reach(BOTH, "crown", up, xyz(0.04, 0.05 - 0.04 * up, 0.02))
    p.look(down=0.2 * up)


def wear_glasses(p: Play) -> None:
    """Lift glasses with both hands to the eyes and on to the ears."""
    p.reach(BOTH, "work", p.hold(0.0, 0.12, 0.75, 0.98))
    p.reach(BOTH, "eyes", p.hold(0.2, 0.45, 0.7, 0.9), 0.06 * xyz(0.6, 0, -p.rise(0.45, 0.65)))
    p.look(down=0.25 * p.hold(0.1, 0.4, 0.6, 0.8))


def sneeze(p: Play) -> None:
    """Hold a hand before mouth and nose and jerk head and trunk forward."""
    up = p.hold(0.1, 0.3, 0.75, 0.95)
    jerk = up * np.maximum(p.swing(1.0), 0) ** 2
    p.reach(RIGHT, "nose", up)
    p.bend(pitch=0.12 * up + p.vigour * 0.25 * jerk)
    p.look(down=0.25 * up + 0.3 * jerk)


def nausea(p: Play) -> None:
    """Bend deep forward with one hand at the mouth and one on the belly, and heave."""
    up = p.hold(0.08, 0.35, 0.8, 1.0)
    heave = up * p.swing(0.9)
    p.reach(RIGHT, "mouth", up)
    p.reach(LEFT, "belly", up)
    p.bend(pitch=p.vary(0.75, 0.15) * up + 0.12 * heave)
    p.look(down=0.3 * up)
    p.sink(0.08 * up, 0.08 * up)


def touch_head(p: Play) -> None:
    """Hold the aching head at forehead or temples."""
    _ache(p, BOTH if p.rng.random() < 0.5 else RIGHT, "forehead", pitch=0.12, down=0.3)


def touch_neck(p: Play) -> None:
    """Rub the aching neck and roll the head."""
    _ache(p, RIGHT, "nape", pitch=0.05, down=0.15)
    p.look(tilt=0.2 * p.swing(0.4) * p.hold(0.2, 0.35, 0.75, 0.9))


def touch_chest(p: Play) -> None:
    """Press the aching chest or stomach with the hands and stoop."""
    place = "chest" if p.rng.random() < 0.6 else "belly"
    _ache(p, BOTH if p.rng.random() < 0.5 else RIGHT, place, pitch=0.28, down=0.15)


def touch_back(p: Play) -> None:
    """Press the aching lower back and arch it."""
    _ache(p, BOTH if p.rng.random() < 0.5 else RIGHT, "lower back", pitch=-0.15, down=-0.1)


def _ache(p: Play, hands: int | tuple[int, ...], place: str, pitch: float, down: float) -> None:
    """Bring hands to a place that hurts, knead it, and bend about it."""
    up = p.hold(0.08, 0.3, 0.78, 0.98)
    knead = xyz(0.015 * p.swing(1.3), 0.025 * p.swing(1.3, 0.25), 0)
    p.reach(hands, place, up, knead)
    p.bend(pitch=p.vary(pitch, 0.25) * up)
    p.look(down=down * up)


# -- both hands before the body ---------------------------------------------------------------


def clap(p: Play) -> None:
    """Clap the hands before the chest, about three times a second."""
    up = p.hold(0.03, 0.18, 0.85, 1.0)
    apart = p.vigour * 0.11 * (1 + p.swing(2.6))
    p.reach(BOTH, "front", up, xyz(apart, 0.03, 0), fingers=(0, 1, 1))


def rub_hands(p: Play) -> None:
    """Rub the palms against each other before the belly."""
    up = p.hold(0.05, 0.2, 0.85, 1.0)
    slide = 0.05 * p.swing(2.6)
    for side, sign in ((LEFT, -1), (RIGHT, 1)):
        p.reach(side, "work", up, xyz(-0.03, 0.05, sign * slide), fingers=(0, 0, 1))


def palms_together(p: Play) -> None:
    """Lay the palms together before the chest and keep still."""
    up = p.hold(0.12, 0.35, 0.75, 0.95)
    p.reach(BOTH, "chest", up, (0.0, 0.0, 0.10), elbow=(0.9, -0.6, 0.0), fingers=(-0.2, 1, 0.1))
    p.look(down=0.2 * up)


def cross_hands(p: Play) -> None:
    """Cross the forearms well before the body, hands up: stop."""
    up = p.hold(0.15, 0.32, 0.7, 0.88)
    p.reach(BOTH, "front", up, (-0.14, 0.06, 0.02), elbow=(0.7, -0.7, 0.2), fingers=(-0.3, 1, 0.2))


def cross_arms(p: Play) -> None:
    """Fold the arms on the chest and keep them there."""
    up = p.hold(0.1, 0.35, 0.88, 1.02)
    p.reach(BOTH, "other arm", up)
    p.bend(pitch=-0.04 * up)


def check_time(p: Play) -> None:
    """Lift the left wrist before the chest and look at the watch."""
    up = p.hold(0.15, 0.35, 0.68, 0.88)
    p.reach(LEFT, "chest", up, (-0.06, -0.06, 0.14), elbow=(1, -0.3, 0.1), fingers=(-1, 0, 0))
    if p.rng.random() < 0.4:
        p.reach(RIGHT, "chest", up, (0.0, -0.08, 0.14))
    p.look(down=0.4 * up, left=0.15 * up)


# -- arms out ---------------------------------------------------------------------------------


def wave(p: Play) -> None:
    """Wave one raised hand from side to side."""
    up = p.hold(0.05, 0.2, 0.82, 0.98)
    wag = 0.45 * p.vigour * p.swing(1.7)
    p.aim(RIGHT, xyz(0.45 + wag, 0.85, 0.3), up, 0.72, (1, -0.8, 0), (0, 1, 0.2))


def throw(p: Play) -> None:
    """Draw a hand back over the shoulder, fling it forward and step after it."""
    back, fling = p.hold(0.10, 0.36, 0.42, 0.58), p.hold(0.40, 0.58, 0.68, 0.94)
    p.aim(RIGHT, (0.55, 0.75, -0.55), back, 0.72, elbow=(1, 0, -0.3))
    p.aim(RIGHT, (0.0, 0.25, 1.0), fling, 0.95)
    p.bend(pitch=0.3 * p.vigour * fling - 0.12 * back, twist=0.6 * fling - 0.5 * back)
    p.foot(
        LEFT, forward=0.25 * p.hold(0.3, 0.45, 0.8, 0.95), up=0.06 * p.hold(0.3, 0.36, 0.4, 0.45)
    )
    p.shift(forward=0.12 * fling)


def point(p: Play) -> None:
    """Stretch one arm towards something ahead or aside and keep it there."""
    up = p.hold(0.15, 0.35, 0.72, 0.9)
    aside = p.rng.uniform(-0.2, 0.9)
    p.aim(RIGHT, (aside, p.rng.uniform(-0.1, 0.25), 1.0), up, 0.97, fingers=(aside, 0, 1))
    p.look(left=-0.4 * aside * up)


def cheer_up(p: Play) -> None:
    """Throw both fists up again and again and spring a little."""
    up = p.hold(0.05, 0.2, 0.8, 0.98)
    pump = 0.5 + 0.5 * p.swing(1.5)
    p.aim(BOTH, (0.3, 1.0, 0.25), up, 0.6 + 0.35 * pump, elbow=(1, -0.3, 0.3))
    p.leap(0.05 * p.vigour * up * pump)


def hands_up(p: Play) -> None:
    """Lift both hands straight up and keep them there."""
    up = p.hold(0.1, 0.35, 0.75, 0.98)
    p.aim(BOTH, (0.2, 1.0, 0.05), up, 0.96, elbow=(1, 0, 0.2), fingers=(0, 1, 0))


def stretch(p: Play) -> None:
    """Reach up with both arms, arch the back, and let them sink sideways."""
    up = p.hold(0.1, 0.4, 0.65, 0.95)
    p.aim(BOTH, xyz(0.1 + 0.9 * p.rise(0.55, 0.8), 1.0, -0.15), up, 0.9, elbow=(1, 0.2, 0.3))
    p.bend(pitch=-0.2 * up, roll=0.15 * p.swing(0.3) * up)
    p.look(down=-0.35 * up)
    p.foot(LEFT, toes=0.15 * up)


def arm_circles(p: Play) -> None:
    """Swing both straight arms in circles at the sides of the body."""
    up = p.hold(0.02, 0.12, 0.9, 1.0)
    turn = p.vary(0.9, 0.1)
    forward, high = p.swing(turn), -p.swing(turn, 0.25)
    p.aim(BOTH, xyz(0.55, high, forward), up, 0.95)


def arm_swings(p: Play) -> None:
    """Swing both straight arms level, wide open and crossed before the chest, in turn."""
    up = p.hold(0.02, 0.15, 0.88, 1.0)
    wide = 0.5 + 0.5 * p.swing(1.0)
    p.aim(BOTH, xyz(-0.45 + 1.5 * wide, 0.0, 1.0 - 1.0 * wide), up, 0.95)


def shoot_basket(p: Play) -> None:
    """Bend the knees with a ball before the chest and push it up and forward."""
    dip, push = p.hold(0.15, 0.4, 0.42, 0.55), p.hold(0.42, 0.56, 0.72, 0.95)
    p.reach(BOTH, "front", p.hold(0.05, 0.25, 0.85, 1.0), (0.10, 0.0, -0.05))
    p.aim(BOTH, (-0.1, 1.0, 0.45), push, 0.96, elbow=(0.6, -0.6, 0.6))
    p.sink(0.16 * p.vigour * dip, 0.05 * dip)
    p.leap(0.10 * p.vigour * p.hold(0.46, 0.54, 0.56, 0.66))
    p.look(down=-0.3 * p.hold(0.2, 0.5, 0.75, 0.95))


def bounce_ball(p: Play) -> None:
    """Push a ball down beside the body at hip height, again and again."""
    up = p.hold(0.02, 0.12, 0.9, 1.0)
    press = 0.12 * p.vigour * p.swing(1.7)
    p.reach(RIGHT, "hip", up, xyz(0.10, 0.12 + press, 0.25), fingers=(0, -0.3, 1))
    p.bend(pitch=0.22 * up)
    p.look(down=0.3 * up)
    p.sink((0.05 + 0.02 * p.swing(1.7)) * up)


def tennis_swing(p: Play) -> None:
    """Take a straight arm back at the side and sweep it level across the front."""
    back, hit = p.hold(0.1, 0.35, 0.4, 0.52), p.hold(0.4, 0.55, 0.68, 0.92)
    p.aim(RIGHT, (1.0, 0.05, -0.6), back, 0.9)
    p.aim(RIGHT, xyz(0.7 - 1.4 * p.rise(0.45, 0.65), 0.25, 0.8), hit, 0.92)
    p.bend(pitch=0.1 * (back + hit), twist=0.8 * p.vigour * hit - 0.6 * back)
    p.foot(LEFT, forward=0.2 * p.hold(0.3, 0.45, 0.8, 0.95))
