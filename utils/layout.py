"""Ways to write a matrix as one vector, and a tensor Jacobian as one matrix.

For y = f(W) with y of m entries and W of shape (p, q), the Jacobian ∂y/∂W is a tensor of shape (m, p, q): output axes
first (numerator layout). Flattening the axes of W, by rows or by columns, turns it into an m × pq matrix. The functions
here are those two flattenings, their inverses, and the permutation that leads from one to the other.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Order = Literal["row", "column"]

__all__ = ["Order", "commutation_matrix", "flatten_jacobian", "unflatten_jacobian", "unvec", "vec"]


def vec(matrix: Tensor, order: Order = "row") -> Tensor:
    """Stack the entries of a matrix into one vector.

    "row" walks along the rows, as torch and NumPy store them; "column" walks down the columns, as most
    matrix-calculus texts do. Entry (p, q) of an m × n matrix lands at p·n + q in row order, at q·m + p in column order.

    Parameters
    ----------
    matrix : (m, n)
    order : "row" or "column"

    Returns
    -------
    (m * n,)

    Raises
    ------
    ValueError
        If ``matrix`` is not two-dimensional, or ``order`` is neither word.

    Source: Magnus & Neudecker (2019), ch. 2.

    >>> vec(torch.tensor([[0, 1, 2], [3, 4, 5]]), "column").tolist()
    [0, 3, 1, 4, 2, 5]
    """
    _require_matrix(matrix, "vec")
    return (matrix if _is_row(order) else matrix.T).reshape(-1)


def unvec(vector: Tensor, shape: tuple[int, int], order: Order = "row") -> Tensor:
    """Put the entries of a vector back into a matrix: the inverse of :func:`vec`.

    Parameters
    ----------
    vector : (m * n,)
    shape : (m, n)
    order : "row" or "column"

    Returns
    -------
    (m, n)

    Raises
    ------
    ValueError
        If ``vector`` does not have m · n entries in one dimension, or ``order`` is neither word.

    >>> unvec(torch.tensor([0, 3, 1, 4, 2, 5]), (2, 3), "column").tolist()
    [[0, 1, 2], [3, 4, 5]]
    """
    m, n = shape
    if vector.shape != (m * n,):
        raise ValueError(f"unvec: a {m} × {n} matrix needs a vector of {m * n} entries, but the vector has shape "
                         f"{tuple(vector.shape)}.")
    return vector.reshape(m, n) if _is_row(order) else vector.reshape(n, m).T


def commutation_matrix(m: int, n: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """The permutation K that turns one vec of every m × n matrix A into the other.

    K vec_column(A) = vec_row(A) and, since vec_row(A) = vec_column(Aᵀ), this is the usual commutation matrix with
    K vec(A) = vec(Aᵀ). K is orthogonal; its transpose leads back.

    Parameters
    ----------
    m, n : the numbers of rows and columns of A, at least 1
    dtype : of the zeros and ones

    Returns
    -------
    (m * n, m * n)

    Raises
    ------
    ValueError
        If m or n is less than 1.

    Source: Magnus & Neudecker (1979).

    >>> A = torch.tensor([[0., 1., 2.], [3., 4., 5.]], dtype=torch.float64)
    >>> torch.equal(commutation_matrix(2, 3) @ vec(A, "column"), vec(A, "row"))
    True
    """
    if m < 1 or n < 1:
        raise ValueError(f"commutation_matrix: m and n must be at least 1, but they are {m} and {n}.")
    # Where each entry of the row-order vector stands in the column-order vector.
    places = vec(unvec(torch.arange(m * n), (m, n), "column"), "row")
    return torch.eye(m * n, dtype=dtype)[places]


def flatten_jacobian(jacobian: Tensor, order: Order = "row") -> Tensor:
    """Flatten the two input axes of a tensor Jacobian ∂y/∂W into one.

    Parameters
    ----------
    jacobian : (…, m, n)
        The axes of the output, then the two axes of the matrix W.
    order : "row" or "column", the vec of W that numbers the columns of the result

    Returns
    -------
    (…, m * n)

    Raises
    ------
    ValueError
        If ``jacobian`` has fewer than two axes, or ``order`` is neither word.

    >>> x = torch.tensor([1.3, 0.9, -0.7])
    >>> tensor = torch.einsum("ip,q->ipq", torch.eye(2), x)      # ∂(Wx)/∂W for W (2, 3)
    >>> torch.equal(flatten_jacobian(tensor, "row"), torch.kron(torch.eye(2), x[None]))
    True
    >>> torch.equal(flatten_jacobian(tensor, "column"), torch.kron(x[None], torch.eye(2)))
    True
    """
    if jacobian.ndim < 2:
        raise ValueError("flatten_jacobian: the Jacobian by a matrix ends with that matrix's two axes, but this one has "
                         f"shape {tuple(jacobian.shape)}.")
    return (jacobian if _is_row(order) else jacobian.mT).flatten(-2)


def unflatten_jacobian(jacobian: Tensor, shape: tuple[int, int], order: Order = "row") -> Tensor:
    """Give a flattened Jacobian its two input axes back: the inverse of :func:`flatten_jacobian`.

    Parameters
    ----------
    jacobian : (…, m * n)
    shape : (m, n), the shape of the matrix W
    order : "row" or "column"

    Returns
    -------
    (…, m, n)

    Raises
    ------
    ValueError
        If the last axis does not have m · n entries, or ``order`` is neither word.

    >>> x = torch.tensor([1.3, 0.9, -0.7])
    >>> unflatten_jacobian(torch.kron(x[None], torch.eye(2)), (2, 3), "column")[1].tolist() == [[0, 0, 0], x.tolist()]
    True
    """
    m, n = shape
    if jacobian.ndim < 1 or jacobian.shape[-1] != m * n:
        raise ValueError(f"unflatten_jacobian: the Jacobian by a {m} × {n} matrix needs {m * n} columns, but this one has "
                         f"shape {tuple(jacobian.shape)}.")
    if _is_row(order):
        return jacobian.unflatten(-1, (m, n))
    return jacobian.unflatten(-1, (n, m)).mT


def _require_matrix(matrix: Tensor, caller: str) -> None:
    if matrix.ndim != 2:
        raise ValueError(f"{caller}: a matrix with two axes is needed, but this tensor has shape {tuple(matrix.shape)}.")


def _is_row(order: Order) -> bool:
    if order not in ("row", "column"):
        raise ValueError(f'order must be "row" or "column", but it is {order!r}.')
    return order == "row"
