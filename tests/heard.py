"""A listener that remembers what it heard of a run."""

from edaphos_bridge.training.events import Events


class Heard(Events):
    """Losses of steps, reports of epochs, and how often the run ended."""

    def __init__(self):
        self.losses, self.reports, self.ends = [], [], 0

    def on_step(self, loss):
        assert self.ends == 0
        self.losses.append(loss)

    def on_epoch(self, report):
        assert self.ends == 0
        self.reports.append(report)

    def on_end(self):
        self.ends += 1
