"""Memory that is kept from one check to the next.

Fresh pages cost the system more time than the whole check of a large leaf, so the working copies of one check are left for
the next. Only what no one else holds may be left here.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["LARGE", "give_back", "take"]

LARGE = 2**18    # entries from which memory is worth keeping
LARGEST = 2**22  # entries above which it is given back to the system
PIECES = 3

_kept: dict[int, Tensor] = {}


def take(count: int) -> Tensor:
    """Memory for so many numbers in float64, of any content."""
    memory = _kept.pop(count, None)  # one step, so that two threads never get the same
    return torch.empty(count, dtype=torch.float64) if memory is None else memory


def give_back(memory: Tensor) -> None:
    """Leave memory, a vector, for whoever takes as much next.

    >>> give_back(memory := torch.zeros(5, dtype=torch.float64))
    >>> take(5).data_ptr() == memory.data_ptr(), take(5).data_ptr() == memory.data_ptr()
    (True, False)
    """
    if len(memory) <= LARGEST:
        _kept[len(memory)] = memory
    while len(_kept) > PIECES:
        _kept.pop(next(iter(_kept)), None)
