"""Numbers of things, as texts have them."""

from __future__ import annotations


def counted(n: int, what: str, several: str | None = None) -> str:
    """Return "1 epoch", "2 epochs"; `several` is the plural of what gets more than an s.

    Parameters
    ----------
    n : int
        How many.
    what : str
        The name of one.
    several : str, optional
        The name of several; by default that of one with an s.
    """
    name = what if n == 1 else several or f"{what}s"
    return f"{n} {name}"
