"""Random tensors, and the sizes and seeds that the tests draw them with."""

import torch
from hypothesis import strategies as st
from torch import Tensor

seeds = st.integers(0, 2**31)
sizes = st.integers(2, 5)


def draws(seed: int, *shapes: tuple[int, ...]) -> list[Tensor]:
    """A tensor of each shape, in float64; the same in every run."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, dtype=torch.float64, generator=generator) for shape in shapes]


def eye(n: int) -> Tensor:
    """The identity, (n, n), in float64."""
    return torch.eye(n, dtype=torch.float64)
