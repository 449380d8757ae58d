"""Generators of our own: the numbers of torch's, from one seed, whatever else draws."""

import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from edaphos_bridge import (
    foundation_encoder,
    foundation_fit_classifier,
    foundation_moco_pretrain,
    foundation_probe_sweep,
    foundation_rotation_pretrain,
    foundation_simclr_pretrain,
)
from edaphos_bridge.basics.seeding import Randomness, draw_seed
from edaphos_bridge.errors import InputError

X = np.random.default_rng(1).normal(size=(40, 4, 6, 6))
Y = ["dry", "wet"] * 20


def from_torch(draw, seed):
    """What `draw` gives from torch's default generator."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return draw()


ROW = torch.linspace(-1, 1, 24).reshape(2, 12)
DRAWS = {
    "rand": lambda: torch.rand(3, 4),
    "randn": lambda: torch.randn(3, 4),
    "randint": lambda: torch.randint(9, (7,)),
    "randint from": lambda: torch.randint(3, 9, (7,)),
    "randperm": lambda: torch.randperm(9),
    "rand_like": lambda: torch.rand_like(ROW),
    "randn_like": lambda: torch.randn_like(ROW, dtype=torch.float64),
    "randint_like": lambda: torch.randint_like(ROW, 5),
    "randint_like from": lambda: torch.randint_like(ROW, 2, 5),
    "bernoulli": lambda: torch.bernoulli(torch.full((9,), 0.5)),
    "multinomial": lambda: torch.multinomial(torch.ones(9), 4),
    "normal": lambda: torch.normal(0.0, torch.ones(5)),
    "poisson": lambda: torch.poisson(torch.ones(9)),
    "in place": lambda: torch.empty(9).uniform_().add_(torch.empty(9).exponential_()),
    "a layer": lambda: nn.Conv2d(2, 3, 3).weight.detach(),
    "dropout": lambda: functional.dropout(ROW, 0.5),
    "dropout of a channel": lambda: functional.dropout2d(ROW[None, :, None], 0.5),
    "alpha dropout": lambda: functional.alpha_dropout(ROW, 0.5, training=True),
    "rrelu": lambda: functional.rrelu(ROW, training=True),
    "fractional pooling": lambda: functional.fractional_max_pool2d(ROW[None], 1, (1, 4)),
    "lstm": lambda: nn.LSTM(12, 3, 2, dropout=0.5)(ROW)[0].detach(),
    "attention": lambda: nn.MultiheadAttention(12, 2, dropout=0.5)(*[ROW[:, None]] * 3)[0].detach(),
    "a transformer": lambda: nn.TransformerEncoderLayer(12, 2, 8)(ROW[:, None]).detach(),
}


@pytest.mark.parametrize("name", DRAWS)
def test_a_draw_has_the_numbers_of_torchs_generator_and_leaves_that_alone(name):
    expected = from_torch(lambda: [DRAWS[name]() for _ in range(2)], 5)
    torch.manual_seed(9)
    before = torch.get_rng_state()
    with Randomness(5).everywhere():
        found = [DRAWS[name]() for _ in range(2)]
    assert torch.equal(torch.get_rng_state(), before)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)


def test_the_generator_and_what_takes_none_draw_in_one_stream():
    randomness = Randomness(-5)
    with randomness.everywhere():
        found = [torch.randperm(9, generator=randomness.generator), torch.randperm(9)]
    expected = from_torch(lambda: [torch.randperm(9), torch.randperm(9)], -5)
    assert all(map(torch.equal, found, expected))


def test_contexts_nest_and_end_with_an_error():
    with Randomness(1).everywhere():
        first = torch.randn(2)
        with pytest.raises(ZeroDivisionError), Randomness(2).everywhere():
            torch.randn(3) / (1 // 0)
        second = torch.randn(2)
    expected = from_torch(lambda: [torch.randn(2), torch.randn(2)], 1)
    assert all(map(torch.equal, [first, second], expected))


def test_a_drawn_seed_fits_an_r_integer_and_differs_from_the_last():
    seeds = {draw_seed() for _ in range(20)}
    assert len(seeds) > 15
    assert all(0 <= seed < 2**31 for seed in seeds)


# --- beside threads that draw ----------------------------------------------------------------


class Noisy(nn.Module):
    """A module of a user's that draws in its own ways."""

    def __init__(self):
        super().__init__()
        self.conv, self.drop = nn.Conv2d(4, 6, 3), nn.Dropout(0.3)

    def forward(self, x):
        h = self.drop(self.conv(x + 0.1 * torch.randn_like(x)).relu())
        return functional.dropout(h, 0.2, self.training).mean(dim=(2, 3))


@pytest.fixture
def drawing():
    """A thread that draws from torch's default generator, and seeds it, without pause."""
    ended = threading.Event()

    def draw():
        while not ended.wait(1e-5):
            torch.manual_seed(int(torch.randint(99, ())))

    thread = threading.Thread(target=draw)
    thread.start()
    yield
    ended.set()
    thread.join()


def fit(**changes):
    return foundation_fit_classifier(
        changes.pop("encoder", None) or foundation_encoder("moco", 4, feature_dim=8, seed=1),
        X, Y, **{"epochs": 3, "batch_size": 8, "seed": 4, **changes},
    ).to_bytes()  # fmt: skip


def sweep():
    encoder = foundation_encoder("simclr", 4, seed=1)
    found = foundation_probe_sweep(encoder, X, Y, seeds=(3, 1), C=(1.0,), epochs=3)
    return found.results.to_csv() + str(found.classifier.to_bytes())


def noisy():
    with torch.random.fork_rng(), Randomness(1).everywhere():
        return Noisy()


SMALL = {"feature_dim": 6, "proj_dim": 4, "batch_size": 8, "epochs": 3, "seed": 2}
TURNS = {"feature_dim": 6, "batch_size": 8, "epochs": 3, "steps_per_epoch": 1, "seed": 2}
JOBS = {
    "probe": lambda: fit(),
    "mlp": lambda: fit(head="mlp", hidden=5, dropout=0.4),
    "fine-tuning": lambda: fit(head="mlp", dropout=0.4, freeze_backbone=False),
    "own encoder": lambda: fit(encoder=noisy(), freeze_backbone=False),
    "own encoder, frozen": lambda: fit(encoder=noisy()),
    "lazy encoder": lambda: fit(encoder=nn.Sequential(nn.Flatten(), nn.LazyLinear(5))),
    "sweep": sweep,
    "moco": lambda: foundation_moco_pretrain(X, **SMALL).to_bytes(),
    "simclr": lambda: foundation_simclr_pretrain(X, **SMALL).to_bytes(),
    "rotation": lambda: foundation_rotation_pretrain(X, **TURNS).to_bytes(),
}


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_the_same_seed_gives_the_same_bits_beside_a_thread_that_draws(job, request):
    alone = JOBS[job]()
    request.getfixturevalue("drawing")
    assert [JOBS[job]() for _ in range(3)] == [alone] * 3


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_torchs_generators_are_not_touched(job):
    torch.manual_seed(3)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    JOBS[job]()
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]  # noqa: NPY002


# --- drawing twice ---------------------------------------------------------------------------


class Checkpointed(Noisy):
    """Its activations are computed a second time for the gradients."""

    def forward(self, x):
        return checkpoint(super().forward, x, use_reentrant=False)


def test_a_module_that_would_draw_other_numbers_for_its_gradients_is_refused():
    with pytest.raises(InputError, match="`encoder` must not draw random numbers a second time"):
        fit(encoder=Checkpointed(), freeze_backbone=False)


def test_checkpointing_without_random_numbers_trains():
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(4, 6, 3)

        def forward(self, x):
            return checkpoint(self.conv, x, use_reentrant=False).mean(dim=(2, 3))

    assert fit(encoder=Plain(), freeze_backbone=False)


def test_a_run_goes_on_on_another_device_from_the_state_of_the_cpu_alone():
    begun = Randomness(1)
    torch.rand(3, generator=begun.generator)
    cpu, others = begun.states()
    later = Randomness(2)
    later.restore(cpu, {**others, "cuda": torch.zeros(16, dtype=torch.uint8)})
    draws = [torch.rand(3, generator=one.generator) for one in (begun, later)]
    assert torch.equal(*draws)
