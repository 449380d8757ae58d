"""Numbers of things, as texts have them."""

from edaphos_bridge.basics.counted import counted


def test_one_thing_is_no_several() -> None:
    assert counted(1, "epoch") == "1 epoch"
    assert counted(2, "epoch") == "2 epochs"
    assert counted(0, "epoch") == "0 epochs"


def test_a_plural_of_its_own() -> None:
    assert counted(1, "class", "classes") == "1 class"
    assert counted(3, "class", "classes") == "3 classes"
