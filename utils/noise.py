"""The rounding noise of a computation, measured instead of guessed.

Each operation of a float64 computation rounds its result by up to half a unit in the last place. To see what that does
to the end result, the computation is run again while what every operation takes and gives, forward and backward, is
moved by a unit in the last place, up or down at random; the spread of the end results is the noise. Operations that only
move or select numbers are left alone.

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
# Operations that only move or select numbers do not round; a moved maximum would no longer equal its entry, and the
# backward of amax, which compares the two, would be 0/0.
EXACT = frozenset("""max min amax amin aminmax maximum minimum sort topk kthvalue median mode cummax cummin gather index
    index_select take where masked_fill masked_select cat stack relu clamp clamp_min clamp_max threshold abs neg sign
    sgn floor ceil round eq ne lt le gt ge zeros_like ones_like fill zero_ fill_ copy_ index_put_ masked_fill_ relu_
    clamp_ neg_ abs_ scatter scatter_ roll flip constant_pad_nd new_zeros new_ones _to_copy""".split())


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
        noise = torch.fmax(noise, (moved - result).abs())  # fmax: a run that gives NaN says nothing
    return noise


class _RandomRounding(TorchDispatchMode):
    def __init__(self, generator: torch.Generator):
        super().__init__()
        self.generator = generator

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        if func._schema.is_mutable:
            result = func(*args, **kwargs)
            if isinstance(result, Tensor) and name not in EXACT:
                result.copy_(self._round(result))
            return result
        if name in EXACT or any(returned.alias_info for returned in func._schema.returns):
            return func(*args, **kwargs)  # a view must stay a view
        # The arguments are moved too: a kernel such as solve hides how it magnifies the rounding of a constant.
        args, kwargs = tree_map(self._round, (args, kwargs))
        return tree_map(self._round, func(*args, **kwargs))

    def _round(self, value):
        if not isinstance(value, Tensor) or not (value.is_floating_point() or value.is_complex()):
            return value
        units = torch.randint(-1, 2, value.shape, generator=self.generator)
        moved = value + units * torch.finfo(value.dtype).eps * value
        return torch.where(value.isfinite(), moved, value)
