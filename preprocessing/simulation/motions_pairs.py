"""What the simulated performers do in twos: one short function for each action of two persons.

Every function is given the plays of the one who acts and of the other, and their distance. Both
stand at the origin of their own axes and look at each other, so the point half way between them
is ``(0, height, gap / 2)`` for either, and ``(0, height, gap)`` is the other person.
"""

from __future__ import annotations

from smie_pipe.preprocessing.simulation.acting import BOTH, Play, xyz
from smie_pipe.preprocessing.simulation.kinematics import LEFT, RIGHT


def shake_hands(a: Play, b: Play, gap: float) -> None:
    """Meet with the right hands half way and shake them."""
    up, height = a.hold(0.12, 0.32, 0.78, 0.95), _both_high(a, b, 0.95)
    shake = 0.04 * a.swing(2.2) * a.hold(0.3, 0.36, 0.7, 0.78)
    for p in (a, b):
        p.meet(RIGHT, xyz(0.0, height + shake, gap / 2 - 0.04), up)
        p.bend(pitch=p.vary(0.08, 0.4) * up)


def give(a: Play, b: Play, gap: float) -> None:
    """Hand a thing over: one holds it out, the other takes it and draws it in."""
    height = _both_high(a, b, 1.0)
    a.meet(RIGHT, (0.0, height, gap / 2 - 0.02), a.hold(0.1, 0.38, 0.6, 0.85))
    b.meet(RIGHT, (0.0, height, gap / 2 - 0.02), b.hold(0.28, 0.46, 0.62, 0.8))
    b.reach(RIGHT, "work", b.rise(0.6, 0.85) * 0.8)
    a.bend(pitch=0.08 * a.hold(0.1, 0.4, 0.6, 0.85))


def high_five(a: Play, b: Play, gap: float) -> None:
    """Swing the right palms together above head height."""
    up, height = a.hold(0.15, 0.42, 0.5, 0.8), _both_high(a, b, 1.62)
    for p in (a, b):
        p.aim(RIGHT, (0.4, 0.9, -0.1), p.hold(0.08, 0.3, 0.34, 0.46), 0.8)
        p.meet(RIGHT, (0.05, height, gap / 2 - 0.01), up, fingers=(0, 1, 0.1))


def push(a: Play, b: Play, gap: float) -> None:
    """Thrust both hands at the other's chest; the other stumbles back."""
    thrust, height = a.hold(0.25, 0.42, 0.5, 0.75), 1.22 * b.build.scale
    a.reach(BOTH, "front", a.hold(0.1, 0.25, 0.75, 0.95), (0.12, 0.0, -0.12))
    a.meet(BOTH, (0.12, height, gap - 0.08), thrust)
    a.bend(pitch=0.28 * a.vigour * thrust)
    a.foot(RIGHT, forward=0.2 * a.hold(0.2, 0.38, 0.7, 0.9))
    a.shift(forward=0.1 * thrust)
    _recoil(b, 0.30 * a.vigour)


def punch(a: Play, b: Play, gap: float) -> None:
    """Draw the fist back and drive it at the other's face; the other jerks back."""
    draw, hit = a.hold(0.1, 0.3, 0.34, 0.47), a.hold(0.33, 0.47, 0.53, 0.8)
    a.reach(RIGHT, "chest", draw, (0.22, 0.0, -0.15), elbow=(0.6, -0.2, -1.0))
    a.meet(RIGHT, (0.0, 1.48 * b.build.scale, gap - 0.12), hit)
    a.reach(LEFT, "chest", a.hold(0.1, 0.3, 0.6, 0.85), (0.08, 0.08, 0.1))
    a.bend(pitch=0.15 * hit, twist=0.5 * a.vigour * hit - 0.35 * draw)
    a.shift(forward=0.1 * hit)
    _recoil(b, 0.15 * a.vigour)
    b.look(down=-0.3 * b.hold(0.4, 0.48, 0.6, 0.85), left=0.4 * b.hold(0.4, 0.48, 0.6, 0.85))


def kick_other(a: Play, b: Play, gap: float) -> None:
    """Swing one leg back and then against the other person, who draws back."""
    back, out = a.hold(0.12, 0.3, 0.34, 0.44), a.hold(0.34, 0.46, 0.52, 0.74)
    a.foot(RIGHT, up=0.18 * back, forward=-0.3 * back, toes=0.6 * back)
    a.foot(RIGHT, out=-0.08 * out, up=0.5 * a.vigour * out, forward=(gap - 0.22) * out)
    a.bend(pitch=0.1 * back - 0.2 * out)
    a.shift(right=-0.07 * (back + out))
    a.aim(LEFT, (0.4, -0.6, 0.6), 0.6 * out, 0.9)
    _recoil(b, 0.22 * a.vigour)


def _recoil(p: Play, way: float) -> None:
    """Be driven back by a blow in the middle of the clip, with a step, and recover."""
    back = p.hold(0.42, 0.55, 0.75, 1.0)
    p.shift(forward=-way * back)
    p.bend(pitch=0.8 * way * p.hold(0.42, 0.5, 0.58, 0.75))
    lift = 0.10 * p.hold(0.42, 0.47, 0.5, 0.57)
    p.foot(LEFT, forward=-1.3 * way * back, up=lift)
    p.foot(RIGHT, forward=-0.5 * way * back)
    p.aim(BOTH, (0.5, -0.5, 0.6), 0.5 * back, 0.85)


def hug(a: Play, b: Play, gap: float) -> None:
    """Step together and lay the arms round each other."""
    up, near = a.hold(0.15, 0.4, 0.72, 0.95), (gap - 0.28) / 2
    for p, high in ((a, 1.30), (b, 1.12)):
        step = near * p.hold(0.1, 0.38, 0.75, 0.98)
        p.shift(forward=step / p.build.scale)
        for side, begin in ((LEFT, 0.1), (RIGHT, 0.2)):
            way = near * p.hold(begin, begin + 0.18, 0.75, 0.95)
            lift = 0.06 * p.hold(begin, begin + 0.08, begin + 0.1, begin + 0.18)
            p.foot(side, forward=way / p.build.scale, up=lift)
        p.aim(BOTH, (0.5, -0.1, 1.0), p.hold(0.05, 0.25, 0.8, 1.0), 0.9)
        p.meet(BOTH, xyz(0.08, high * p.build.scale, near + 0.28 + 0.10), up, (1, -0.2, 0.2))
        p.bend(pitch=0.12 * up)
    a.look(tilt=0.25 * up)
    b.look(tilt=0.25 * up)


def pat_back(a: Play, b: Play, gap: float) -> None:
    """Reach over the other's shoulder and pat the back, several times."""
    up = a.hold(0.12, 0.35, 0.8, 0.98)
    pat = 0.05 * (1 + a.swing(1.8))
    a.meet(RIGHT, xyz(0.12, 1.30 * b.build.scale + pat, gap + 0.06 - pat), up, (1, 0, 0.2))
    a.bend(pitch=0.14 * up)
    b.look(down=0.2 * b.hold(0.2, 0.4, 0.8, 1.0))


def point_at(a: Play, b: Play, gap: float) -> None:
    """Stretch one arm towards the other's face and wag it."""
    up = a.hold(0.15, 0.35, 0.72, 0.92)
    wag = 0.04 * a.swing(1.5)
    a.meet(RIGHT, xyz(wag, 1.35 * b.build.scale, gap), up, fingers=(0, 0, 1))
    a.bend(pitch=0.06 * up)


def walk_together(a: Play, b: Play, gap: float) -> None:
    """Walk straight ahead: towards the other, or, back to back, away."""
    for p in (a, b):
        travel = (gap - 0.7) / 2 if gap > 0 else 0.7
        p.walk(travel * p.rise(0.05, 0.95))
        beat = p.swing(1.0, p.rng.uniform(0, 1)) * p.hold(0.05, 0.2, 0.8, 0.95)
        for side, sign in ((LEFT, -1), (RIGHT, 1)):
            p.aim(side, xyz(0.12, -1.0, 0.1 + 0.35 * sign * beat), p.rise(0, 0.1), 0.95)


def _both_high(a: Play, b: Play, height: float) -> float:
    """Height in metres that suits two persons of different size."""
    return height * (a.build.scale + b.build.scale) / 2
