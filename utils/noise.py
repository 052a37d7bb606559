"""The rounding noise of a computation, measured instead of guessed.

Each operation of a float64 computation rounds its result by up to half a unit in the last place. To see what that does
to the end result, the computation is run again while every intermediate result, forward and backward, is moved by a
unit in the last place, up or down at random; the spread of the end results is the noise.

Source: Parker, Monte Carlo Arithmetic (1997).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

__all__ = ["rounding_noise"]

RUNS = 8


def rounding_noise(compute: Callable[[], Tensor], result: Tensor, generator: torch.Generator) -> Tensor:
    """The largest change, entry by entry, of a computation's result under random rounding.

    Parameters
    ----------
    compute : the computation, autograd included, from copies of its inputs
    result : what it gives undisturbed
    generator : of the random roundings

    Returns
    -------
    the shape of ``result``, not negative

    >>> x = torch.tensor([1e8, 1.0], dtype=torch.float64)
    >>> noise = rounding_noise(lambda: (x + 1) - x, torch.ones(2, dtype=torch.float64), torch.Generator())
    >>> (noise > 1e-9).tolist()          # 1e8 + 1 - 1e8 keeps eight digits of its 1
    [True, False]
    """
    noise = torch.zeros_like(result)
    for _ in range(RUNS):
        with _RandomRounding(generator):
            moved = compute()
        noise = torch.maximum(noise, (moved - result).abs())
    return noise


class _RandomRounding(TorchDispatchMode):
    def __init__(self, generator: torch.Generator):
        super().__init__()
        self.generator = generator

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        shares_memory = any(returned.alias_info for returned in func._schema.returns)
        return result if shares_memory else tree_map(self._round, result)  # a view must stay a view

    def _round(self, value):
        if not isinstance(value, Tensor) or not value.is_floating_point():
            return value
        units = torch.randint(-1, 2, value.shape, generator=self.generator)
        return value + units * torch.finfo(value.dtype).eps * value
