"""A probe whose scores are given."""

import numpy as np

from edaphos_bridge.pretrain.probe import Probe


class Scripted(Probe):
    """Scores that are given, whatever the encoder."""

    name = "scripted"
    score_name = "score"

    def __init__(self, scores, **how):
        how = {"every": 1, "patience": None, **how}
        super().__init__(np.zeros((4, 3, 5, 5)), val_split=0.5, seed=1, parting={}, **how)
        self.scores = scores
        self.looks = 0

    def score(self, encoder):
        self.looks += 1
        return self.scores[self.looks - 1]

    def settings(self):
        return {}

    def learnt(self):
        return {}
