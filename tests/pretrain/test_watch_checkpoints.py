"""A run with a probe that was stopped goes on to the same scores and the same encoder."""

import pytest
import torch

from edaphos_bridge import KNNProbe, LinearProbe
from edaphos_bridge.errors import InputError, WeightsError
from edaphos_bridge.files.container import pack, unpack
from edaphos_bridge.training.checkpoint import FILE
from scripted_probe import Scripted


@pytest.mark.parametrize("patience", [None, 2])
@pytest.mark.parametrize(("after", "steps_per_epoch"), [(1, 1), (4, 1), (5, 1), (3, 2)])
def test_stopped_after_any_epoch_it_goes_on_to_the_same_history_and_encoder(
    pretrain, linear, tmp_path, stopped, patience, after, steps_per_epoch
):
    def call(**where):
        watching = linear(every=2, patience=patience)
        return pretrain(epochs=8, steps_per_epoch=steps_per_epoch, probe=watching, **where)

    stopped(lambda: call(checkpoint_dir=tmp_path, checkpoint_every=3), after)
    assert call(checkpoint_dir=tmp_path).to_bytes() == call().to_bytes()


def test_a_run_that_patience_had_ended_gives_its_result_again_without_a_step(
    pretrain, tmp_path, monkeypatch
):
    def call(**how):
        probe = Scripted([0.5, 0.4, 0.3], patience=1)
        return pretrain(probe=probe, checkpoint_dir=tmp_path, **how).to_bytes()

    ended = call()
    assert pretrain(probe=Scripted([0.5, 0.4], patience=1)).to_bytes() == ended
    monkeypatch.setattr("torch.optim.Adam.step", None)
    assert call() == ended
    assert call(epochs=9) == ended


def test_a_run_is_made_longer_with_its_probe(pretrain, linear, tmp_path):
    pretrain(epochs=5, probe=linear(every=2), checkpoint_dir=tmp_path)
    longer = pretrain(epochs=9, probe=linear(every=2), checkpoint_dir=tmp_path)
    assert longer.to_bytes() == pretrain(epochs=9, probe=linear(every=2)).to_bytes()


@pytest.mark.parametrize(
    "changed",
    [
        lambda x, y: LinearProbe(x, y, every=2),
        lambda x, y: LinearProbe(x, y, patience=3),
        lambda x, y: LinearProbe(x, y, C=2),
        lambda x, y: LinearProbe(x, y, seed=2),
        lambda x, y: LinearProbe(x, y, validation=[0, 1, 2, 4]),
        lambda x, y: LinearProbe(x + 1, y),
        lambda x, y: LinearProbe(x, y[::-1]),
        lambda x, y: LinearProbe(x, y.astype(str)),
        lambda x, y: KNNProbe(x, y, k=5),
        lambda x, y: None,
    ],
)
def test_a_checkpoint_of_a_run_with_another_probe_or_none_is_refused(
    pretrain, labelled, tmp_path, changed
):
    pretrain(probe=LinearProbe(*labelled), checkpoint_dir=tmp_path / "one")
    pretrain(checkpoint_dir=tmp_path / "none")
    other = changed(*labelled)
    for folder in ("one", "none") if other is not None else ("one",):
        with pytest.raises(
            InputError, match=r"another run \(probe = .* there, .* here\)"
        ) as caught:
            pretrain(probe=other, checkpoint_dir=tmp_path / folder)
        assert caught.value.argument == "checkpoint_dir"


@pytest.mark.parametrize("name", ["scores", "best.head.weight", "best.new"])
def test_a_state_of_another_form_is_a_damaged_checkpoint(pretrain, linear, tmp_path, name):
    watching = linear(patience=9)
    pretrain(probe=watching, checkpoint_dir=tmp_path)
    tensors, document = unpack("pretraining checkpoint", (tmp_path / FILE).read_bytes())
    name = name.replace("head.weight", next(iter(pretrain().encoder.state_dict())))
    wrong = {**tensors, f"method.probe.{name}": torch.zeros(2, 7)}
    metadata = {key: document[key] for key in ("step", "identity")}
    (tmp_path / FILE).write_bytes(pack("pretraining checkpoint", wrong, metadata))
    with pytest.raises(WeightsError, match=f"{FILE} cannot be read: .*probe.* Delete it"):
        pretrain(probe=watching, checkpoint_dir=tmp_path)


def test_what_is_rehearsed_has_room_for_the_best_encoder(pretrain, linear, tmp_path, limited_files):
    watching = linear(patience=9)
    pretrain(probe=watching, checkpoint_dir=tmp_path / "one")
    size = (tmp_path / "one" / FILE).stat().st_size
    with limited_files(size - 1), pytest.raises(InputError, match="cannot be written"):
        pretrain(probe=watching, checkpoint_dir=tmp_path / "two")
    with limited_files(size + 2**17):
        pretrain(probe=watching, checkpoint_dir=tmp_path / "two")
