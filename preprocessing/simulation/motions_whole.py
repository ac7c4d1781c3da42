"""What the simulated performers do with legs, trunk and head: a function for each action.

As in ``motions_solo``: directions are (out, up, forward), lengths metres of a person of 1.70 m.
"""

from __future__ import annotations

import numpy as np

from smie_pipe.preprocessing.simulation.acting import BOTH, Play, xyz
from smie_pipe.preprocessing.simulation.kinematics import LEFT, RIGHT, Array


def kick(p: Play) -> None:
    """Swing one leg back and then high to the front."""
    back, out = p.hold(0.15, 0.35, 0.38, 0.5), p.hold(0.38, 0.52, 0.58, 0.78)
    p.foot(RIGHT, up=0.18 * back, forward=-0.3 * back, toes=0.6 * back)
    p.foot(RIGHT, out=-0.08 * out, up=0.5 * p.vigour * out, forward=0.7 * out)
    p.bend(pitch=0.1 * back - 0.2 * out)
    p.shift(right=-0.07 * (back + out))
    p.aim(LEFT, (0.4, -0.6, 0.6), 0.6 * out, 0.9)


def side_kick(p: Play) -> None:
    """Swing one straight leg out to the side and lean to the other."""
    out = p.hold(0.25, 0.45, 0.52, 0.75)
    p.foot(RIGHT, out=0.68 * out, up=0.5 * p.vigour * out)
    p.bend(roll=-0.4 * p.vigour * out)
    p.shift(right=-0.09 * out)
    p.aim(BOTH, (0.9, -0.5, 0.1), 0.6 * out, 0.9)


def butt_kicks(p: Play) -> None:
    """Throw the heels up behind, left and right in turn."""
    up, beat = p.hold(0.02, 0.1, 0.92, 1.0), p.swing(1.4)
    for side, sign in ((LEFT, -1), (RIGHT, 1)):
        heel = up * np.maximum(sign * beat, 0)
        p.foot(side, up=0.5 * heel, forward=-0.42 * heel, toes=1.2 * heel)
    p.shift(up=0.03 * up * np.abs(beat))
    p.bend(pitch=0.08 * up)
    _pump_arms(p, 0.5 * up, beat)


def run_on_spot(p: Play) -> None:
    """Lift the knees in turn and pump the bent arms."""
    up, beat = p.hold(0.02, 0.1, 0.92, 1.0), p.swing(1.6)
    for side, sign in ((LEFT, -1), (RIGHT, 1)):
        knee = up * np.maximum(sign * beat, 0)
        p.foot(side, up=0.30 * p.vigour * knee, forward=0.08 * knee, toes=0.4 * knee)
    p.shift(up=0.03 * up * np.abs(beat))
    _pump_arms(p, up, beat)


def _pump_arms(p: Play, weight: Array, beat: Array) -> None:
    """Swing bent arms, each against the leg of its side."""
    for side, sign in ((LEFT, 1), (RIGHT, -1)):
        p.aim(side, xyz(0.15, -0.45, 0.35 + 0.55 * sign * beat), weight, 0.7, (0.3, -0.5, -1))


def hop(p: Play) -> None:
    """Hop on one foot, the other drawn up behind."""
    up = p.hold(0.03, 0.15, 0.88, 1.0)
    bound = np.abs(p.swing(0.95))
    p.foot(RIGHT, up=0.3 * up, forward=-0.2 * up, toes=0.8 * up)
    p.leap(0.13 * p.vigour * up * bound)
    p.shift(right=-0.08 * up)
    p.aim(BOTH, xyz(0.6, -0.8 + 0.2 * bound, 0.3), 0.7 * up, 0.85)


def jump(p: Play) -> None:
    """Crouch, swing the arms and jump up with both feet."""
    crouch, fly = p.hold(0.15, 0.38, 0.42, 0.5), p.hold(0.44, 0.54, 0.55, 0.66)
    land = p.hold(0.58, 0.68, 0.7, 0.9)
    p.sink(0.28 * p.vigour * crouch + 0.18 * land, 0.10 * crouch)
    p.bend(pitch=0.5 * crouch + 0.25 * land)
    p.leap(0.30 * p.vigour * fly)
    p.aim(BOTH, (0.25, -0.7, -0.6), p.hold(0.12, 0.36, 0.4, 0.55), 0.9)
    p.aim(BOTH, (0.25, 0.8, 0.6), p.hold(0.38, 0.58, 0.6, 0.85), 0.9)


def squat(p: Play) -> None:
    """Squat down low with the arms stretched forward, and come up."""
    down = p.hold(0.1, 0.4, 0.6, 0.92)
    p.sink(p.vary(0.45, 0.08) * down, 0.16 * down)
    p.bend(pitch=0.55 * down)
    p.aim(BOTH, (0.05, 0.35, 1.0), down, 0.95)


def sit_down(p: Play) -> None:
    """Lower the body backwards on to a seat and lay the hands on the thighs."""
    _seated(p, p.rise(0.2, 0.65), p.hold(0.15, 0.4, 0.5, 0.8))


def stand_up(p: Play) -> None:
    """Rise from a seat."""
    _seated(p, 1 - p.rise(0.3, 0.75), p.hold(0.15, 0.42, 0.5, 0.8))


def _seated(p: Play, sat: Array, lean: Array) -> None:
    """Be on a seat by ``sat`` of the way, leaning forward while moving."""
    p.sink(p.vary(0.40, 0.05) * sat, 0.32 * sat)
    p.bend(pitch=0.6 * lean)
    p.reach(BOTH, "thigh", sat)


def pick_up(p: Play) -> None:
    """Bend down, take something from the floor with one hand, rise with it."""
    down = p.hold(0.12, 0.4, 0.52, 0.85)
    deep = p.rng.uniform(0.0, 1.0)  # more from the knees or more from the back
    p.sink((0.22 + 0.22 * deep) * down, 0.20 * down)
    p.bend(pitch=(1.35 - 0.4 * deep) * down)
    p.reach(RIGHT, "floor", down, (0.05, 0.12, 0.32))
    p.aim(RIGHT, (0.1, -0.6, 0.7), p.hold(0.6, 0.85, 0.95, 1.1) * 0.6, 0.7)
    p.look(down=-0.2 * down)


def bow(p: Play) -> None:
    """Bend head and trunk forward and rise again, the arms at the sides."""
    down = p.hold(0.12, 0.38, 0.5, 0.85)
    p.bend(pitch=p.vary(0.75, 0.2) * down)
    p.look(down=0.35 * down)
    p.shift(forward=-0.10 * down)
    p.reach(BOTH, "thigh", 0.5 * down, (0.05, -0.05, -0.25))


def shake_head(p: Play) -> None:
    """Turn the head left and right, several times."""
    up = p.hold(0.08, 0.2, 0.82, 0.95)
    p.look(left=p.vigour * 0.65 * up * p.swing(1.2))
    p.bend(twist=0.06 * up * p.swing(1.2))


def fall(p: Play) -> None:
    """Give way at the knees and fall backwards to lie on the floor."""
    down, side = p.rise(0.25, 0.65), p.rng.uniform(-0.5, 0.5)
    p.shift(right=side * 0.3 * down, up=-0.76 * down, forward=-0.45 * down)
    p.bend(pitch=-1.35 * down, roll=0.3 * side * down)
    p.look(down=0.6 * p.hold(0.3, 0.5, 0.8, 1.0))
    p.reach(BOTH, "floor", p.rise(0.35, 0.65), (0.35, 0.10, -0.75))
    p.foot(LEFT, forward=0.15 * down)
    p.foot(RIGHT, forward=0.05 * down)


def stagger(p: Play) -> None:
    """Sway from side to side on unsteady feet."""
    up, sway = p.hold(0.0, 0.15, 0.9, 1.0), p.swing(0.55)
    p.shift(right=0.18 * p.vigour * up * sway, forward=0.10 * up * p.swing(0.4))
    p.bend(roll=0.3 * p.vigour * up * sway, pitch=0.2 * up * (0.6 + p.swing(0.7)))
    for side, sign in ((LEFT, -1), (RIGHT, 1)):
        step = up * np.maximum(sign * sway, 0)
        p.foot(side, out=0.15 * step, up=0.08 * up * np.maximum(sign * p.swing(0.55, 0.2), 0))
    p.aim(BOTH, xyz(0.7, -0.8 + 0.3 * sway, 0.2), 0.7 * up, 0.9)
    p.look(down=0.2 * up, tilt=0.2 * up * sway)


def toe_touch(p: Play) -> None:
    """Bend with straight legs apart, each hand in turn to the other foot, arms wide."""
    up, beat = p.hold(0.02, 0.15, 0.88, 1.0), p.swing(0.6)
    for side in BOTH:
        p.foot(side, out=0.2 * up)
    p.sink(0.14 * up, 0.2 * up)
    p.bend(pitch=1.3 * up, twist=0.75 * up * beat)
    p.aim(BOTH, (1.0, 0.1, 0.2), up, 0.95)
    for side, sign in ((LEFT, -1), (RIGHT, 1)):
        p.reach(side, "floor", up * np.maximum(sign * beat, 0), (-0.30, 0.12, 0.10))
