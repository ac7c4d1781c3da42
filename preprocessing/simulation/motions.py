"""The actions the simulated performers know, by their names in NTU RGB+D 120."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from smie_pipe.preprocessing.simulation import motions_pairs as pairs
from smie_pipe.preprocessing.simulation import motions_solo as solo
from smie_pipe.preprocessing.simulation import motions_whole as whole


@dataclass(frozen=True)
class Motion:
    """An action: what its one or two performers do, and how long it usually takes.

    ``gap_m`` is the distance of two persons at the start, facing each other; 0 for one person;
    negative if they stand back to back.
    """

    act: Callable[..., None]
    seconds: float
    gap_m: float = 0.0

    @property
    def persons(self) -> int:
        """Number of bodies, 1 or 2."""
        return 2 if self.gap_m else 1


# Ordered so that every first 5, 10, ... of them are varied, one in five with two persons.
MOTIONS: dict[str, Motion] = {
    "drink water": Motion(solo.drink_water, 3.2),
    "kicking something": Motion(whole.kick, 2.2),
    "hand waving": Motion(solo.wave, 2.6),
    "sitting down": Motion(whole.sit_down, 2.4),
    "handshaking": Motion(pairs.shake_hands, 2.8, 0.95),
    "clapping": Motion(solo.clap, 2.4),
    "touch head (headache)": Motion(solo.touch_head, 3.0),
    "jump up": Motion(whole.jump, 2.2),
    "nod head/bow": Motion(whole.bow, 2.4),
    "pushing other person": Motion(pairs.push, 2.2, 0.75),
    "brushing teeth": Motion(solo.brush_teeth, 4.0),
    "standing up (from sitting position)": Motion(whole.stand_up, 2.4),
    "throw": Motion(solo.throw, 2.2),
    "touch back (backache)": Motion(solo.touch_back, 3.0),
    "hugging other person": Motion(pairs.hug, 3.0, 0.75),
    "hands up (both hands)": Motion(solo.hands_up, 2.4),
    "pickup": Motion(whole.pick_up, 2.8),
    "make a phone call/answer phone": Motion(solo.phone_call, 3.8),
    "side kick": Motion(whole.side_kick, 2.2),
    "kicking other person": Motion(pairs.kick_other, 2.2, 0.95),
    "cross arms": Motion(solo.cross_arms, 2.6),
    "running on the spot": Motion(whole.run_on_spot, 2.6),
    "touch chest (stomachache/heart pain)": Motion(solo.touch_chest, 3.0),
    "salute": Motion(solo.salute, 2.2),
    "walking towards each other": Motion(pairs.walk_together, 2.8, 1.9),
    "squat down": Motion(whole.squat, 2.6),
    "wipe face": Motion(solo.wipe_face, 3.2),
    "arm circles": Motion(solo.arm_circles, 3.0),
    "put on a hat/cap": Motion(solo.put_on_hat, 2.8),
    "punching/slapping other person": Motion(pairs.punch, 2.3, 0.8),
    "touch neck (neckache)": Motion(solo.touch_neck, 3.0),
    "hopping (one foot jumping)": Motion(whole.hop, 2.6),
    "put the palms together": Motion(solo.palms_together, 2.6),
    "cheer up": Motion(solo.cheer_up, 2.6),
    "walking apart from each other": Motion(pairs.walk_together, 2.8, -0.6),
    "check time (from watch)": Motion(solo.check_time, 2.4),
    "falling": Motion(whole.fall, 2.4),
    "eat meal/snack": Motion(solo.eat_meal, 4.0),
    "arm swings": Motion(solo.arm_swings, 3.0),
    "pat on back of other person": Motion(pairs.pat_back, 2.8, 0.55),
    "brushing hair": Motion(solo.brush_hair, 3.6),
    "pointing to something with finger": Motion(solo.point, 2.2),
    "butt kicks (kick backward)": Motion(whole.butt_kicks, 2.6),
    "rub two hands together": Motion(solo.rub_hands, 2.8),
    "giving something to other person": Motion(pairs.give, 2.6, 0.95),
    "sneeze/cough": Motion(solo.sneeze, 2.8),
    "cross hands in front (say stop)": Motion(solo.cross_hands, 2.2),
    "staggering": Motion(whole.stagger, 3.2),
    "shake head": Motion(whole.shake_head, 2.4),
    "high-five": Motion(pairs.high_five, 2.3, 0.9),
    "bounce ball": Motion(solo.bounce_ball, 2.8),
    "nausea or vomiting condition": Motion(solo.nausea, 3.2),
    "stretch oneself": Motion(solo.stretch, 3.6),
    "shoot at the basket": Motion(solo.shoot_basket, 2.4),
    "point finger at the other person": Motion(pairs.point_at, 2.2, 1.1),
    "wear on glasses": Motion(solo.wear_glasses, 2.8),
    "tennis bat swing": Motion(solo.tennis_swing, 2.2),
    "cross toe touch": Motion(whole.toe_touch, 3.4),
}
