"""The two vec orders, the commutation matrix and the flattened Jacobians."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from utils import commutation_matrix, flatten_jacobian, unflatten_jacobian, unvec, vec

sizes = st.integers(1, 5)
orders = st.sampled_from(["row", "column"])


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


@given(m=sizes, n=sizes)
def test_row_vec_puts_entry_p_q_at_p_n_plus_q(m, n):
    A = draw(m, n)
    assert all(vec(A, "row")[p * n + q] == A[p, q] for p in range(m) for q in range(n))


@given(m=sizes, n=sizes)
def test_column_vec_puts_entry_p_q_at_q_m_plus_p(m, n):
    A = draw(m, n)
    assert all(vec(A, "column")[q * m + p] == A[p, q] for p in range(m) for q in range(n))


@given(m=sizes, n=sizes)
def test_column_vec_is_what_numpy_calls_fortran_order(m, n):
    A = draw(m, n)
    assert vec(A, "column").tolist() == A.numpy().ravel(order="F").tolist()


@given(m=sizes, n=sizes, order=orders)
def test_unvec_undoes_vec(m, n, order):
    A = draw(m, n)
    assert torch.equal(unvec(vec(A, order), (m, n), order), A)


@given(m=sizes, n=sizes)
def test_commutation_matrix_turns_column_vec_into_row_vec(m, n):
    A = draw(m, n)
    K = commutation_matrix(m, n)
    assert torch.equal(K @ vec(A, "column"), vec(A, "row"))
    assert torch.equal(K @ vec(A, "column"), vec(A.T, "column"))


@given(m=sizes, n=sizes)
def test_commutation_matrix_is_orthogonal_and_its_inverse_has_the_sizes_swapped(m, n):
    K = commutation_matrix(m, n)
    assert torch.equal(K @ K.T, torch.eye(m * n, dtype=torch.float64))
    assert torch.equal(K.T, commutation_matrix(n, m))


@given(m=sizes, n=sizes)
def test_row_major_jacobian_is_identity_kron_x(m, n):
    W, x = draw(m, n), draw(n)
    jacobian = torch.func.jacrev(lambda weights: weights @ x)(W)
    assert_close(flatten_jacobian(jacobian, "row"), torch.kron(torch.eye(m, dtype=torch.float64), x[None]))


@given(m=sizes, n=sizes)
def test_column_major_jacobian_is_x_kron_identity(m, n):
    W, x = draw(m, n), draw(n)
    jacobian = torch.func.jacrev(lambda weights: weights @ x)(W)
    assert_close(flatten_jacobian(jacobian, "column"), torch.kron(x[None], torch.eye(m, dtype=torch.float64)))


@given(m=sizes, n=sizes, order=orders, outputs=st.lists(sizes, max_size=2))
def test_unflatten_undoes_flatten_for_outputs_of_any_shape(m, n, order, outputs):
    jacobian = draw(*outputs, m, n)
    assert torch.equal(unflatten_jacobian(flatten_jacobian(jacobian, order), (m, n), order), jacobian)


@given(m=sizes, n=sizes)
def test_flattened_jacobian_times_vec_of_a_step_is_the_change_of_the_output(m, n):
    W, step, x = draw(m, n), draw(m, n), draw(n)
    jacobian = torch.func.jacrev(lambda weights: weights @ x)(W)
    for order in ("row", "column"):
        assert_close(flatten_jacobian(jacobian, order) @ vec(step, order), step @ x)


def test_the_two_orders_differ():
    A = torch.arange(6).reshape(2, 3)
    assert vec(A, "row").tolist() == [0, 1, 2, 3, 4, 5]
    assert vec(A, "column").tolist() == [0, 3, 1, 4, 2, 5]


@pytest.mark.parametrize(("call", "words"), [
    (lambda: vec(torch.zeros(3)), "two axes is needed, but this tensor has shape (3,)"),
    (lambda: vec(torch.zeros(2, 2), "fortran"), "order must be \"row\" or \"column\", but it is 'fortran'"),
    (lambda: unvec(torch.zeros(5), (2, 3)), "needs a vector of 6 entries, but the vector has shape (5,)"),
    (lambda: commutation_matrix(0, 3), "at least 1, but they are 0 and 3"),
    (lambda: flatten_jacobian(torch.zeros(6)), "ends with that matrix's two axes, but this one has shape (6,)"),
    (lambda: unflatten_jacobian(torch.zeros(2, 5), (2, 3)), "needs 6 columns, but this one has shape (2, 5)"),
])
def test_bad_input_gets_one_sentence_with_what_was_wanted_and_what_came(call, words):
    with pytest.raises(ValueError) as error:
        call()
    assert words in str(error.value)
