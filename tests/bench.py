"""What a check costs, beside the usual ones: `make bench` measures it and writes chapters/bench.csv.

Times are in units of one forward run and `.backward()` of the function, as in training. Each way of checking takes turns with
that unit, call by call, so that both find the machine in the same state; each figure is the median of the rounds' ratios.
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
SECONDS = 0.25      # for which a way of checking and the unit take turns in a round, at least so often:
TURNS = 3
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

    def step() -> None:
        for leaf in leaves:
            leaf.grad = None
        fn(*leaves).backward()

    def gradients() -> tuple[Tensor, ...]:
        return torch.autograd.grad(fn(*leaves), leaves)

    runs: dict[str, Callable[[], object]] = {
        "unit_ms": step,
        "compare": lambda: [torch.testing.assert_close(one, two) for one, two in zip(gradients(), claims)],
        "ours": lambda: gradient_report(fn, inputs, claims),
        "gradcheck_fast": lambda: gradcheck(fn, leaves, fast_mode=True),
    }
    if n <= SLOW_LIMIT:
        runs["gradcheck_slow"] = lambda: gradcheck(fn, leaves)
    return runs


def take_turns(unit: Callable[[], object], run: Callable[[], object]) -> tuple[float, float]:
    """Seconds for the unit and for a way of checking, the medians of their turns."""
    unit(), run()
    times: list[tuple[float, float]] = []
    begin = time.perf_counter()
    while len(times) < TURNS or time.perf_counter() - begin < SECONDS:
        first = time.perf_counter()
        unit()
        second = time.perf_counter()
        run()
        times.append((second - first, time.perf_counter() - second))
    return median(one for one, _ in times), median(other for _, other in times)


def measure(case: Case, n: int) -> tuple[float, dict[str, float]]:
    """Seconds for the unit, and the time of each way of checking in its units."""
    runs = ways(case, n)
    unit = runs.pop("unit_ms")
    slow = {name: runs.pop(name) for name in ("gradcheck_slow",) if name in runs}
    units: list[float] = []
    ratios: dict[str, list[float]] = {name: [] for name in (*runs, *slow)}
    for turn in range(ROUNDS):
        for name, run in (runs | (slow if turn == 0 else {})).items():
            of_unit, seconds = take_turns(unit, run)
            units.append(of_unit)
            ratios[name].append(seconds / of_unit)
    return median(units), {name: median(values) for name, values in ratios.items()}


def main() -> None:
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    columns = ["case", "n", "unit_ms", "compare", "ours", "gradcheck_fast", "gradcheck_slow"]
    rows = []
    for title, make in (("y = Wx", product), ("RMS-norm layer", rms_norm_layer)):
        for n in SIZES:
            case = make(n)
            assert gradient_report(*case).ok
            unit, ratios = measure(case, n)
            row = {"case": title, "n": n, "unit_ms": f"{1000 * unit:.3g}"}
            row |= {name: f"{ratio:.3g}" for name, ratio in ratios.items()}
            rows.append(row)
            limit = 5 if n <= 128 else 8
            ours, fast = ratios["ours"], ratios["gradcheck_fast"]
            print(f"{title}, n = {n}: " + ", ".join(f"{name} {value}" for name, value in list(row.items())[2:]),
                  "" if ours <= limit and 2 * ours <= fast else f"  (wanted: at most {limit}, and half of the fast mode)", flush=True)
    with TABLE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"Written to {TABLE.relative_to(TABLE.parents[1])}.")


if __name__ == "__main__":
    main()
