"""What a check costs, beside the usual ones: `make bench` measures it and writes chapters/bench.csv.

Times are in units of one forward and backward run of the function, measured in turns with everything else, since a machine
is faster at one time than at another; each figure is the median of the rounds.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import Tensor
from torch.autograd import gradcheck

from utils import gradient_report

TABLE = Path(__file__).parents[1] / "chapters" / "bench.csv"
SIZES = (32, 64, 128, 256, 512, 1024, 2048, 4096)
ROUNDS = 5
SHORTEST = 0.02     # seconds for which a way of checking runs in each round, at least once
SLOW_LIMIT = 128    # widest layer for which the slow mode, a forward run for every entry, ends in reasonable time
EPS = 1e-5

Case = tuple[Callable[..., Tensor], tuple[Tensor, ...], tuple[Tensor, ...]]


def product(n: int) -> Case:
    """⟨v, Wx⟩ and its gradient by W."""
    W, x, v = torch.randn(n, n), torch.randn(n), torch.randn(n)
    return lambda W: v @ (W @ x), (W,), (torch.outer(v, x),)


def rms_norm_layer(n: int) -> Case:
    """⟨v, g ⊙ Wx / rms(Wx) + b⟩ and its gradients by W, x, g and b."""
    W, x, g, b, v = torch.randn(n, n) / n**0.5, torch.randn(n), torch.randn(n), torch.randn(n), torch.randn(n)

    def layer(W: Tensor, x: Tensor, g: Tensor, b: Tensor) -> Tensor:
        a = W @ x
        return v @ (g * a / (a.square().mean() + EPS).sqrt() + b)

    a = W @ x
    u = (a.square().mean() + EPS).sqrt()
    d = g * v
    s = (d - a * (a @ d) / (n * u * u)) / u
    return layer, (W, x, g, b), (torch.outer(s, x), W.T @ s, v * a / u, v)


def ways(case: Case, n: int) -> dict[str, Callable[[], object]]:
    """Each way to check a case, ready to run; the first is the unit."""
    fn, inputs, claims = case
    leaves = tuple(value.clone().requires_grad_() for value in inputs)

    def gradients() -> tuple[Tensor, ...]:
        return torch.autograd.grad(fn(*leaves), leaves)

    runs: dict[str, Callable[[], object]] = {
        "unit_ms": gradients,
        "compare": lambda: [torch.testing.assert_close(one, two) for one, two in zip(gradients(), claims)],
        "ours": lambda: gradient_report(fn, inputs, claims),
        "gradcheck_fast": lambda: gradcheck(fn, leaves, fast_mode=True),
    }
    if n <= SLOW_LIMIT:
        runs["gradcheck_slow"] = lambda: gradcheck(fn, leaves)
    return runs


def measure(runs: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds for each way, the median of rounds in which each has its turn."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(ROUNDS + 1):
        for name, run in runs.items():
            count, begin = 0, time.perf_counter()
            while not count or time.perf_counter() - begin < SHORTEST:
                run()
                count += 1
            if turn:  # the first round warms up
                times[name].append((time.perf_counter() - begin) / count)
    return {name: median(values) for name, values in times.items()}


def main() -> None:
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    columns = ["case", "n", "unit_ms", "compare", "ours", "gradcheck_fast", "gradcheck_slow"]
    rows = []
    for title, make in (("y = Wx", product), ("RMS-norm layer", rms_norm_layer)):
        for n in SIZES:
            case = make(n)
            assert gradient_report(*case).ok
            seconds = measure(ways(case, n))
            unit = seconds.pop("unit_ms")
            row = {"case": title, "n": n, "unit_ms": f"{1000 * unit:.3g}"}
            row |= {name: f"{value / unit:.3g}" for name, value in seconds.items()}
            rows.append(row)
            limit = 5 if n <= 128 else 8
            ours, fast = seconds["ours"] / unit, seconds["gradcheck_fast"] / unit
            print(f"{title}, n = {n}: " + ", ".join(f"{name} {value}" for name, value in list(row.items())[2:]),
                  "" if ours <= limit and 2 * ours <= fast else f"  (wanted: at most {limit}, and half of the fast mode)", flush=True)
    with TABLE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"Written to {TABLE.relative_to(TABLE.parents[1])}.")


if __name__ == "__main__":
    main()
