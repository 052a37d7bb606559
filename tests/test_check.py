"""check_gradient: right claims pass, wrong ones are located, bad input gets one sentence."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tensors import draws, seeds, sizes

from utils import GradientMismatch, check_gradient, expect_mismatch, flatten_jacobian, gradient_report


def draw(*shape, seed=None):
    generator = torch.Generator().manual_seed(seed) if seed is not None else None
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def rms_norm(W, x, g, b, eps=1e-5):
    a = W @ x
    return g * a / (a.square().mean() + eps).sqrt() + b


def rms_norm_gradients(W, x, g, b, upstream, eps=1e-5):
    """The book's formulas, written with the outer product and no autograd."""
    a = W @ x
    u = (a.square().mean() + eps).sqrt()
    d = g * upstream
    s = (d - a * (a @ d) / (len(a) * u**2)) / u
    return torch.outer(s, x), W.T @ s, upstream * a / u, upstream


# Right claims

@given(n=sizes, seed=seeds)
def test_the_gradient_of_a_quadratic_form_is_right(n, seed):
    A, x = draws(seed, (n, n), (n,))
    assert check_gradient(lambda x: x @ A @ x, (x,), (x @ (A + A.T),)).ok


@given(m=sizes, n=sizes, seed=seeds)
def test_full_jacobians_of_a_linear_map_are_right(m, n, seed):
    A, x = draws(seed, (m, n), (n,))
    by_A = torch.einsum("ip,q->ipq", torch.eye(m, dtype=torch.float64), x)
    report = check_gradient(lambda A, x: A @ x, (A, x), (by_A, A))
    assert report.ok and [claim.shape for claim in report.claims] == [(m, m, n), (m, n)]


@given(m=sizes, n=sizes, seed=seeds)
def test_all_gradients_of_an_rms_norm_layer_are_right(m, n, seed):
    W, x, g, b, upstream = draws(seed, (m, n), (n,), (m,), (m,), (m,))
    claims = rms_norm_gradients(W, x, g, b, upstream)
    assert check_gradient(lambda W, x, g, b: upstream @ rms_norm(W, x, g, b), (W, x, g, b), claims).ok


@given(scale=st.sampled_from([1e-150, 1e-30, 1e-8, 1e8, 1e30, 1e150]), seed=seeds)
def test_no_scale_of_the_inputs_raises_a_false_alarm(scale, seed):
    A, x = draws(seed, (4, 4), (4,))
    A = A / scale  # keeps the result in range, and mixes large with tiny numbers
    assert check_gradient(lambda x: x @ A @ x, (scale * x,), (scale * x @ (A + A.T),)).ok


@given(seed=seeds)
def test_badly_scaled_inputs_raise_no_false_alarm(seed):
    x = draw(6, seed=seed) * torch.tensor([1e8, 1e-8, 1, 1e4, 1e-4, 1e-12], dtype=torch.float64)
    assert check_gradient(lambda x: x.square().sum() / 2, (x,), (x,)).ok


@given(seed=seeds)
def test_cancellation_raises_no_false_alarm(seed):
    """With unit gain and no bias the gradient of |v|² is rounding dust around zero."""
    (a,) = draws(seed, (5,))
    u = a.square().mean().sqrt()
    R = (torch.eye(5, dtype=torch.float64) - torch.outer(a, a) / (5 * u**2)) / u
    assert check_gradient(lambda a: (a / a.square().mean().sqrt()).square().sum(), (a,), (2 * a / u @ R,)).ok


def test_a_gradient_that_is_zero_is_reported_as_zero_up_to_rounding():
    a = draw(5, seed=3)
    report = gradient_report(lambda a: (a / a.square().mean().sqrt()).square().sum(), (a,), (torch.zeros_like(a),))
    assert report.ok and "zero up to rounding" in str(report)


def test_a_scalar_input_is_right():
    x = draw(1, seed=3)[0]
    assert check_gradient(lambda x: x.exp(), (x,), (x.exp(),)).ok
    assert not gradient_report(lambda x: x.exp(), (x,), (-x.exp(),)).ok
    weights = draw(2, seed=4)
    report = check_gradient(lambda x: weights * x.exp(), (x,), (weights * x.exp(),))
    assert report.ok and "autograd and" in str(report)


def test_selections_such_as_a_maximum_raise_no_false_alarm():
    x = draw(5, seed=3)
    largest = (x == x.max()).double()
    assert check_gradient(lambda x: x.max(), (x,), (largest,)).ok
    assert not gradient_report(lambda x: x.max(), (x,), (torch.ones_like(x),)).ok
    assert not gradient_report(lambda x: (x * (x == x.max())).sum(), (x,), (60 * largest,)).ok
    softmax = lambda x: (x - x.max()).exp() / (x - x.max()).exp().sum()
    p = softmax(x)
    assert check_gradient(softmax, (x,), (torch.diag(p) - torch.outer(p, p),)).ok
    assert not gradient_report(softmax, (x,), (torch.diag(p),)).ok  # without the projection


@pytest.mark.parametrize("offset", [1e-4, 1e-9])
def test_a_kink_nearby_raises_no_false_alarm(offset):
    x = torch.tensor([1 + offset, 3.0, -2.0], dtype=torch.float64)
    absolute = lambda x: (x - 1).abs().sum()
    assert gradient_report(absolute, (x,), ((x - 1).sign(),)).claims[0].verdict == "right"
    badly_scaled = torch.tensor([1e8, 1e-8], dtype=torch.float64)
    assert check_gradient(lambda x: x.relu().sum(), (badly_scaled,), (torch.ones(2, dtype=torch.float64),)).ok


@pytest.mark.parametrize("shift", [0.0, 1e6, 1e8])
def test_large_offsets_raise_no_false_alarm(shift):
    x = draw(4, seed=2) + shift
    p = torch.softmax(x, 0)
    report = check_gradient(lambda x: torch.softmax(x, 0), (x,), (torch.diag(p) - torch.outer(p, p),))
    assert report.ok and "autograd and" in str(report)


def test_a_saturated_cross_entropy_raises_no_false_alarm():
    z, target = torch.tensor([1.0, 2.0, 40.0], dtype=torch.float64), torch.tensor(2)
    claim = torch.softmax(z, 0) - torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    assert gradient_report(lambda z: torch.nn.functional.cross_entropy(z, target), (z,), (claim,)).ok


def test_a_function_may_change_its_arguments_in_place_and_take_gradients_inside():
    x = draw(3, seed=2)

    def in_place(x):
        x *= 2
        return x.square().sum()
    assert check_gradient(in_place, (x,), (8 * x,)).ok

    def slope_of_a_cube(x):
        x = x if x.requires_grad else x.requires_grad_()
        return torch.autograd.grad((x ** 3).sum(), x, create_graph=True)[0].sum()
    assert check_gradient(slope_of_a_cube, (x,), (6 * x,)).ok


def test_float32_inputs_and_claims_are_right_and_the_cast_is_said():
    A, x = draw(4, 4, seed=1).float(), draw(4, seed=2).float()
    report = check_gradient(lambda x: x @ A.to(x.dtype) @ x, (x,), (x @ (A + A.T),))
    assert report.ok and "float64" in str(report)


def test_noncontiguous_and_expanded_inputs_are_right():
    A, x = draw(4, 3, seed=1).T, draw(1, seed=2).expand(4)
    report = check_gradient(lambda A, x: (A @ x).sin().sum(), (A, x),
                            ((A @ x).cos()[:, None] * x, (A @ x).cos() @ A))
    assert report.ok


def test_a_claim_given_as_a_function_is_tried_on_redrawn_inputs():
    symmetric = torch.tensor([[2.0, 1.0], [1.0, 3.0]], dtype=torch.float64)
    x = draw(2, seed=3)
    quadratic = lambda x, A: x @ A @ x
    assert gradient_report(quadratic, (x, symmetric), (2 * symmetric @ x, None)).ok  # masked by the symmetry
    report = gradient_report(quadratic, (x, symmetric), (lambda x, A: 2 * A @ x, None))
    assert not report.ok and "on redrawn inputs" in str(report)
    assert gradient_report(quadratic, (x, symmetric), (lambda x, A: (A + A.T) @ x, None)).ok


def test_redrawn_inputs_of_a_logarithm_stay_in_its_domain():
    x = draw(4, seed=5).abs()
    report = check_gradient(lambda x: x.log().sum(), (x,), (lambda x: 1 / x,))
    assert report.ok and not report.notes


def test_a_formula_for_positive_inputs_alone_raises_no_false_alarm():
    x = draw(4, seed=5).abs()
    root = lambda x: x.clamp(min=0).sqrt().sum()  # defined for negative inputs too, where the formula is not
    assert check_gradient(root, (x,), (lambda x: 1 / (2 * x.sqrt()),)).ok
    assert not gradient_report(root, (x,), (lambda x: 1 / x.sqrt(),)).ok


# Wrong claims

WRONG = {
    "sign": lambda W, x, g, b, up: rms_norm_gradients(W, x, g, b, up)[0] * -1,
    "no gain": lambda W, x, g, b, up: rms_norm_gradients(W, x, torch.ones_like(g), b, up)[0],
    "no ε": lambda W, x, g, b, up: rms_norm_gradients(W, x, g, b, up, eps=0)[0],
    "no projection": lambda W, x, g, b, up: torch.outer(g * up / ((W @ x).square().mean() + 1e-5).sqrt(), x),
    "relative error 1e-9": lambda W, x, g, b, up: rms_norm_gradients(W, x, g, b, up)[0] * (1 + 1e-9),
}


@pytest.mark.parametrize("mistake", WRONG)
@pytest.mark.parametrize("seed", range(5))
def test_a_wrong_rms_norm_gradient_is_caught(mistake, seed):
    W, x, g, b, upstream = draws(seed, (3, 5), (5,), (3,), (3,), (3,))
    claim = WRONG[mistake](W, x, g, b, upstream)
    with pytest.raises(GradientMismatch, match="gradient by W is wrong"):
        check_gradient(lambda W: upstream @ rms_norm(W, x, g, b), (W,), (claim,))


@given(m=sizes, n=sizes, seed=seeds, data=st.data())
def test_one_wrong_entry_of_a_jacobian_is_located_with_expected_and_got(m, n, seed, data):
    A, x = draws(seed, (m, n), (n,))
    right = torch.einsum("ip,q->ipq", torch.eye(m, dtype=torch.float64), x)
    entry = tuple(data.draw(st.integers(0, size - 1)) for size in right.shape)
    wrong = right.clone()
    wrong[entry] += 1e-6
    (claim,) = gradient_report(lambda A: A @ x, (A,), (wrong,)).claims
    assert claim.verdict == "wrong" and claim.entry == entry
    assert claim.expected == right[entry] and claim.got == wrong[entry]
    assert f"output[{entry[0]}], A[{entry[1]}, {entry[2]}]" in claim.finding and "1 of" in claim.finding


def test_the_other_vec_order_is_caught():
    W, x = draws(7, (2, 3), (3,))
    jacobian = lambda W: flatten_jacobian(torch.func.jacrev(lambda W: W @ x)(W), "row").reshape(2, 2, 3)
    column = flatten_jacobian(torch.func.jacrev(lambda W: W @ x)(W), "column").reshape(2, 2, 3)
    assert gradient_report(lambda W: W @ x, (W,), (jacobian(W),)).ok
    assert not gradient_report(lambda W: W @ x, (W,), (column,)).ok


def test_positive_inputs_do_not_hide_what_happens_to_negative_ones():
    x = draw(4, seed=2).abs()
    assert gradient_report(lambda x: x.relu().sum(), (x,), (torch.ones_like(x),)).ok  # the numbers are right here
    assert not gradient_report(lambda x: x.relu().sum(), (x,), (torch.ones_like,)).ok


def test_a_claim_too_coarse_to_be_judged_is_refused():
    x = draw(3, seed=1)
    for dtype in (torch.float16, torch.bfloat16):
        with pytest.raises(TypeError, match="too coarse to be judged"):
            check_gradient(lambda x: x.square().sum(), (x,), ((4 * x).to(dtype),))


@pytest.mark.parametrize("scale", [1e-12, 1e-100])
def test_a_claimed_zero_for_a_tiny_gradient_is_caught(scale):
    x = draw(3, seed=1)
    assert not gradient_report(lambda x: scale * x.square().sum(), (x,), (torch.zeros(3, dtype=torch.float64),)).ok
    assert not gradient_report(lambda x: scale * x.square().sum(), (x,), (-2 * scale * x,)).ok
    assert gradient_report(lambda x: scale * x.square().sum(), (x,), (2 * scale * x,)).ok


def test_a_missing_sum_over_the_batch_is_caught_by_its_shape():
    X, b, upstream = draws(4, (6, 3), (3,), (6, 3))
    with pytest.raises(GradientMismatch, match=r"wrong shape: expected \(3,\), the shape of b, got \(6, 3\)"):
        check_gradient(lambda b: (upstream * (X + b)).sum(), (b,), (upstream,))


def test_a_claim_that_only_broadcasts_is_caught():
    x, upstream = draws(4, (1, 3), (3,))
    assert not gradient_report(lambda x: (upstream * x).sum(), (x,), (upstream,)).ok
    assert gradient_report(lambda x: (upstream * x).sum(), (x,), (upstream[None],)).ok


def test_a_nan_in_a_claim_is_wrong():
    x = draw(3, seed=1)
    claim = 2 * x
    claim[1] = math.nan
    assert "x[1], expected" in str(gradient_report(lambda x: x.square().sum(), (x,), (claim,)))


def test_each_claim_has_its_own_verdict():
    A, x = draws(2, (3, 4), (4,))
    report = gradient_report(lambda A, x: (A @ x).square().sum(), (A, x), (torch.outer(2 * A @ x, x), A.T @ A @ x))
    assert [claim.verdict for claim in report.claims] == ["right", "wrong"]


def test_a_mistake_shown_on_purpose_must_be_one():
    x = draw(3, seed=1)
    assert not expect_mismatch(lambda x: x.square().sum(), (x,), (x,)).ok
    with pytest.raises(AssertionError, match="was to be found wrong, but it is right"):
        expect_mismatch(lambda x: x.square().sum(), (x,), (2 * x,))


# Autograd is a witness, not the judge

class ReturnsWhatItSaved(torch.autograd.Function):
    """‖x‖²/2, whose backward hands out the very tensor that the function got."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.square().sum() / 2

    @staticmethod
    def backward(ctx, upstream):
        return ctx.saved_tensors[0]


@pytest.mark.parametrize("shape", [(3, 4), (600, 500)])
def test_a_gradient_that_is_the_input_itself_is_not_written_over(shape):
    x = draw(*shape, seed=1)
    report = check_gradient(ReturnsWhatItSaved.apply, (x,), (x.clone(),))
    assert "contradicts" not in str(report)
    assert not gradient_report(ReturnsWhatItSaved.apply, (x,), (2 * x,)).ok


def test_checks_of_large_inputs_that_share_memory_do_not_disturb_each_other():
    one, two = draws(2, (600, 500), (600, 500))
    for x, other in ((one, two), (two, one), (one, two)):
        before = x.clone()
        inner = []

        def fn(x):
            inner.append(gradient_report(lambda y: (y ** 3).sum(), (other,), (3 * other ** 2,)).ok)  # while ours has the memory
            return x.square().sum()
        assert check_gradient(fn, (x,), (2 * x,)).ok and all(inner)
        wrong = 2 * x
        wrong[-1, -1] *= 1 + 1e-9
        assert not gradient_report(fn, (x,), (wrong,)).ok
        assert torch.equal(x, before)


class HalfSlope(torch.autograd.Function):
    """A square whose backward forgets the factor 2."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.square()

    @staticmethod
    def backward(ctx, upstream):
        return upstream * ctx.saved_tensors[0]


def test_difference_quotients_decide_where_autograd_is_wrong():
    x = draw(3, seed=3)
    square = lambda x: HalfSlope.apply(x).sum()
    right = gradient_report(square, (x,), (2 * x,))
    assert right.ok and "autograd contradicts" in str(right)
    wrong = gradient_report(square, (x,), (x,))
    assert not wrong.ok and "they decide" in str(wrong)


def test_at_a_kink_the_check_says_so_and_does_not_judge():
    x = torch.tensor([1.5, 0.0, -2.0], dtype=torch.float64)
    relu = lambda x: x.relu().sum()
    for slope in (0.0, 0.5, 1.0):
        claim = torch.tensor([1.0, slope, 0.0], dtype=torch.float64)
        assert gradient_report(relu, (x,), (claim,)).claims[0].verdict == "not judged"
        with pytest.warns(UserWarning, match="kink"):
            check_gradient(relu, (x,), (claim,))


def test_away_from_its_kink_relu_is_judged():
    x = torch.tensor([1.5, 1e-7, -2.0], dtype=torch.float64)
    relu = lambda x: x.relu().sum()
    assert check_gradient(relu, (x,), ((x > 0).double(),)).ok
    assert not gradient_report(relu, (x,), (torch.ones(3, dtype=torch.float64),)).ok


def test_a_claim_given_as_a_function_is_judged_away_from_the_kink():
    x = torch.tensor([1.5, 0.0, -2.0], dtype=torch.float64)
    assert gradient_report(lambda x: x.relu().sum(), (x,), (lambda x: (x > 0).double(),)).ok
    assert not gradient_report(lambda x: x.relu().sum(), (x,), (torch.ones_like,)).ok


# Bad input

x3 = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
total = lambda x: x.sum()
ones3 = torch.ones(3, dtype=torch.float64)


@pytest.mark.parametrize(("fn", "inputs", "claims", "words"), [
    (total, x3, (ones3,), "inputs must be a tuple, such as (x,), or a dict, but it is of type Tensor"),
    (total, (x3,), ones3, "claims must be a tuple"),
    (total, (x3,), (ones3, ones3), "1 inputs and 2 claims"),
    (total, (x3,), (None,), "Nothing is claimed"),
    (total, ([1.0],), (ones3,), "Input x must be a tensor, or a dict, list or module of tensors, but it is of type list"),
    (total, (1.0,), (ones3,), "Input x must be a tensor, or a dict, list or module of tensors, but it is of type float"),
    (total, (torch.arange(3),), (ones3,), "Input x must be a floating-point tensor, but it is torch.int64"),
    (total, (torch.zeros(0),), (ones3,), "Input x is an empty tensor of shape (0,)"),
    (total, (x3 / 0,), (ones3,), "Input x has inf at entry [0]"),
    (total, (x3,), (torch.ones(3, dtype=torch.int64),), "The claim for x must be a floating-point tensor"),
    (3, (x3,), (ones3,), "fn must be a function, but it is of type int"),
    (lambda x, y: x, (x3,), (ones3,), "fn cannot be called with 1 inputs"),
    (total, (x3.to_sparse(),), (ones3,), "must be a dense tensor"),
    (total, (x3.to(torch.complex128),), (ones3,), "only real inputs can be checked"),
    (total, (x3,), (lambda x: x @ torch.ones(2, 2),), "The claim for x raised RuntimeError on float64 copies"),
    (total, (x3,), (torch.rand_like,), "The claim for x gave two different results"),
    (total, (x3,), ([1.0, 1.0, 1.0],), "must be a tensor or a function that returns one, but it is of type list"),
    (lambda x: x.sum().item(), (x3,), (ones3,), "fn must return one tensor, but it returned of type float"),
    (lambda x: None, (x3,), (ones3,), "fn must return one tensor, but it returned None"),
    (lambda x: (x, x), (x3,), (ones3,), "of type tuple"),
    (lambda x: x > 0, (x3,), (ones3,), "must return a floating-point tensor, but it returned torch.bool"),
    (lambda x: x[:0], (x3,), (ones3,), "fn returned an empty tensor"),
    (lambda x: (x - 1).log().sum(), (x3,), (ones3,), "fn returned -inf"),
    (lambda x: x.sum() * torch.rand(()), (x3,), (ones3,), "two different results for the same inputs"),
])
def test_bad_input_gets_one_clear_sentence(fn, inputs, claims, words):
    for check in (check_gradient, gradient_report):
        with pytest.raises((TypeError, ValueError)) as error:
            check(fn, inputs, claims)
        assert words in str(error.value) and "\n" not in str(error.value)


def test_float32_tensors_from_outside_are_taken_as_float64_beside_float32_inputs():
    A = draw(3, 3, seed=1).float()
    assert check_gradient(lambda x: (A @ x).sum(), (x3.float(),), (A.sum(0),)).ok
    assert not gradient_report(lambda x: (A @ x).sum(), (x3.float(),), (1.001 * A.sum(0),)).ok


def test_a_function_that_only_runs_in_float32_gets_one_clear_sentence():
    def picky(x):
        if x.dtype != torch.float32:
            raise RuntimeError("expected float32")
        return x.sum()
    with pytest.raises(TypeError, match=r"does not run on float64 copies .* with \.double\(\)"):
        check_gradient(picky, (x3.float(),), (ones3,))


def test_the_callers_random_numbers_and_tensors_stay_as_they_were():
    x = draw(3, seed=1).requires_grad_()
    before, state = x.detach().clone(), torch.random.get_rng_state()
    check_gradient(lambda x: x.square().sum(), (x,), (lambda x: 2 * x,))
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.equal(x, before) and x.grad is None


# The report

def test_a_report_shows_a_line_for_one_claim_and_a_table_for_several():
    A, x = draws(2, (3, 4), (4,))
    one = gradient_report(lambda x: A @ x, (x,), (A,))
    assert str(one).startswith("✓ Jacobian by x (3, 4): agrees with autograd and difference quotients")
    assert "<table" not in one._repr_html_()
    two = gradient_report(lambda A, x: (A @ x).sum(), (A, x), (x.expand(3, 4), A.sum(0)))
    assert two._repr_html_().count("<tr") == 3 and len(str(two).splitlines()) == 2 + len(two.notes)


def test_what_a_report_shows_of_data_is_escaped():
    from utils.report import ClaimReport, Report
    html = Report((ClaimReport("gradient by <b>", (1,), "wrong", "<script>"),))._repr_html_()
    assert "<script>" not in html and "<b>" not in html
