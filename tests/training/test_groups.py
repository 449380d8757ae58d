"""Groups: each parameter in one of them, trained and frozen as a phase says."""

import pytest
import torch
from torch import nn

from edaphos_bridge import foundation_phase
from edaphos_bridge.errors import InputError
from edaphos_bridge.training.groups import Groups, encoder_groups, parameters_of
from small_encoders import NAMES, small_encoder


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.conv = nn.Conv2d(2, 3, 3)
        self.norm = nn.BatchNorm2d(3)
        self.late = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))

    def forward(self, x):
        return self.late(self.norm(self.conv(self.scale * x))).mean(dim=(2, 3))


def trained(groups, phase):
    """The names of what trains, with its group and weight decay."""
    names = {id(p): n for part in groups._model for n, p in part.named_parameters()}
    return {
        names[id(p)]: (group["group"], group["weight_decay"])
        for group in groups.prepare(phase)
        for p in group["params"]
    }


@pytest.mark.parametrize("kind", NAMES)
def test_every_parameter_is_in_one_group(kind):
    encoder = small_encoder(kind, 4)
    found = parameters_of(encoder_groups(encoder), encoder)
    ids = [id(p) for group in found for p in group]
    assert sorted(ids) == sorted(id(p) for p in encoder.parameters())


def test_a_plain_module_has_its_top_level_parts_and_the_first_takes_what_is_left():
    encoder = Encoder()
    found = parameters_of(encoder_groups(encoder), encoder)
    assert [len(group) for group in found] == [3, 2, 4]
    assert found[0][0] is encoder.scale


def test_groups_by_name_and_by_function_are_the_same():
    encoder = Encoder()
    named = encoder_groups(encoder, [["conv", "norm"], "late.0"])
    called = encoder_groups(encoder, lambda e: [[e.conv, e.norm], [e.late[0]]])
    assert named == called == [[encoder.conv, encoder.norm], [encoder.late[0]]]


def test_a_parameter_that_two_groups_share_is_the_first_ones():
    encoder = Encoder()
    found = parameters_of(encoder_groups(encoder, ["late.0", "late"]), encoder)
    assert [len(group) for group in found] == [2 + 5, 2]


@pytest.mark.parametrize(
    "split",
    [
        [["nothing"]], [], [[]], 3, "late", b"late", [3], [None], [["late", []]], float,
        lambda e: [[nn.ReLU()]], lambda e: [["late"]], lambda e: e.nothing,
    ],
)  # fmt: skip
def test_what_is_no_part_of_the_encoder_is_refused(split):
    with pytest.raises(InputError) as raised:
        encoder_groups(Encoder(), split)
    assert raised.value.argument == "split"


def test_below_the_first_group_nothing_trains_and_norms_stay_as_they_are():
    groups = Groups(Encoder(), nn.Linear(4, 2))
    phase = foundation_phase(1, freeze_to=-2)
    assert set(trained(groups, phase)) == {
        "late.0.weight", "late.0.bias", "late.1.weight", "late.1.bias", "weight", "bias",
    }  # fmt: skip
    groups.train(phase)
    encoder, head = groups._model
    assert not encoder.norm.training
    assert encoder.late[1].training
    assert head.training


def test_norms_below_train_on_where_asked():
    groups = Groups(Encoder(), nn.Linear(4, 2))
    phase = foundation_phase(1, freeze_to=-1, norms="train")
    assert {"norm.weight", "norm.bias", "late.1.weight"} <= set(trained(groups, phase))
    assert "conv.weight" not in trained(groups, phase)
    groups.train(phase)
    assert groups._model[0].norm.training


def test_norms_and_biases_may_be_spared_the_decay():
    groups = Groups(Encoder(), nn.Linear(4, 2))
    found = trained(groups, foundation_phase(1, weight_decay=0.1, decay_norms=False))
    assert found["conv.weight"] == (0, 0.1)
    assert found["conv.bias"] == (0, 0.0)
    assert found["norm.weight"] == (1, 0.0)
    assert found["weight"] == (3, 0.1)


def test_what_the_user_froze_stays_frozen_and_all_is_restored_at_the_end():
    encoder = Encoder()
    encoder.conv.weight.requires_grad_(False)
    groups = Groups(encoder, nn.Linear(4, 2))
    assert "conv.weight" not in trained(groups, foundation_phase(1))
    trained(groups, foundation_phase(1, freeze_to=-1))
    groups.restore()
    frozen = [name for name, p in encoder.named_parameters() if not p.requires_grad]
    assert frozen == ["conv.weight"]


def test_running_statistics_of_no_group_are_locked_with_the_first_ones():
    encoder = Encoder()
    groups = Groups(encoder, nn.Linear(4, 2), [["conv"], ["late"]])
    groups.train(foundation_phase(1, freeze_to=1))
    assert not encoder.norm.training
    assert encoder.late[1].training
    groups.train(foundation_phase(1))
    assert encoder.norm.training
