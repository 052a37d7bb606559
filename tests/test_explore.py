"""Figures to play with: each number against torch, each figure by pointer and by keyboard, in the page and as a widget."""

import itertools
import json
import re
from decimal import Decimal

import browser as look
import pytest
import torch
from conftest import ROOT

from utils import explore, flatten_jacobian, theme

FIGURES = explore.names()
every_figure = pytest.mark.parametrize("name", FIGURES)
PAGES = {name: page.stem for page in sorted((ROOT / "chapters").glob("*.md"))
         for name in re.findall(r"^explore\.(\w+)\(", page.read_text("utf-8"), re.MULTILINE)}
PAGES = {name.replace("_", "-"): page for name, page in PAGES.items()}


def computed(name: str, states: list[dict]) -> list[dict]:
    """What a figure's ``numbers`` gives for states, in Node."""
    script = (f'import {{ numbers }} from "./{name}.js";'
              f"process.stdout.write(JSON.stringify({json.dumps(states)}.map(numbers)));")
    return json.loads(explore.run_node(script))


def tensor(values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def close(found, expected) -> None:
    torch.testing.assert_close(torch.as_tensor(found, dtype=torch.float64), torch.as_tensor(expected, dtype=torch.float64),
                               rtol=1e-12, atol=1e-12)


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_the_quadratic_form_and_its_gradient_are_those_of_torch():
    torch.manual_seed(0)
    half = torch.randn(20, 2, 2).double()
    states = [{"S": (h @ h.T).tolist(), "x1": x[0].item(), "x2": x[1].item(), "k": k.item()}
              for h, x, k in zip(half, torch.randn(20, 2).double(), torch.randn(20).double())]
    for state, found in zip(states, computed("quadratic-form", states)):
        k = state["k"]
        A = tensor(state["S"]) + tensor([[0, k], [-k, 0]])
        x = tensor([state["x1"], state["x2"]]).requires_grad_()
        form = x @ A @ x
        gradient, = torch.autograd.grad(form, x)
        close(found["A"], A)
        close(found["form"], form.detach())
        close(found["right"], gradient)
        close(found["wrong"], (2 * x @ A).detach())
        cosine = torch.nn.functional.cosine_similarity(gradient, (2 * x @ A).detach(), dim=0)
        assert abs(found["degrees"] - torch.rad2deg(torch.arccos(cosine)).item()) < 1e-4  # arccos is ill conditioned at 0


@pytest.mark.parametrize("m, n", [(4, 2), (2, 3), (3, 3), (1, 2)])
def test_the_slices_and_their_sums_are_those_of_torch(m, n):
    torch.manual_seed(m)
    A, x, v = torch.randn(m, n).double(), torch.randn(n).double(), torch.randn(m).double()
    start = explore.tensor_slices(x, torch.ones(m), 1, n).state | {f"v{i}": value for i, value in enumerate(v.tolist(), 1)}
    found, = computed("tensor-slices", [start])
    tensor, (_, pull_back) = torch.func.jacrev(lambda A: A @ x)(A), torch.func.vjp(lambda A: A @ x, A)
    close(found["slices"], tensor)
    close(found["slopes"], tensor[:, 0, n - 1])
    close(found["vjp"], pull_back(v)[0])
    close(found["ones"], pull_back(torch.ones_like(v))[0])


@pytest.mark.parametrize("x, v, weight, words", [
    (torch.ones(3), torch.ones(4), (1, 1), "room for up to 4 rows, 3 columns and 9 entries"),
    (torch.ones(2), torch.tensor([0.3, 1]), (1, 1), "multiples of 0.5"),
    (torch.ones(2), torch.ones(3), (3, 3), "no entry in row 3, column 3"),
])
def test_slices_that_cannot_be_shown_are_refused(x, v, weight, words):
    with pytest.raises(ValueError, match=words):
        explore.tensor_slices(x, v, *weight)


@pytest.mark.parametrize("m, n", [(2, 3), (3, 2), (4, 4), (1, 4), (4, 1), (1, 1)])
@pytest.mark.parametrize("order", ["row", "column"])
def test_every_weight_and_slope_stands_where_torch_has_it(m, n, order):
    W, x = torch.arange(m * n).reshape(m, n), torch.arange(1, n + 1).double()
    tensor = torch.func.jacrev(lambda W: W @ x)(torch.randn(m, n).double())
    weights = list(itertools.product(range(m), range(n)))
    states = [explore.kronecker_views(W, order, p, q).state | {"i": i} for p, q in weights for i in range(m)]
    for state, found in zip(states, computed("kronecker-views", states)):
        i, p, q = (state[index] for index in "ipq")
        flat, jacobian = W.reshape(-1) if order == "row" else W.T.reshape(-1), flatten_jacobian(tensor, order)
        assert [W[p, q].item() for p, q in found["memory"]] == flat.tolist()
        assert found["places"] == {"row": W.reshape(-1).tolist().index(W[p, q]), "column": W.T.reshape(-1).tolist().index(W[p, q])}
        close([[[x[k].item() if k >= 0 else 0 for k in row] for row in page] for page in found["tensor"]], tensor)
        close([[x[k].item() if k >= 0 else 0 for k in row] for row in found["jacobian"]], jacobian)
        eye = torch.eye(m).double()
        close(jacobian, torch.kron(eye, x[None]) if order == "row" else torch.kron(x[None], eye))
        assert (x[found["slope"]].item() if found["slope"] >= 0 else 0) == tensor[i, p, q] == jacobian[i, found["places"][order]]


@pytest.mark.parametrize("size, order, p, words", [
    ((5, 2), "row", 0, "room for up to 4 rows and 4 columns"),
    ((2, 3), "rows", 0, 'must be "row" or "column"'),
    ((2, 3), "row", 2, "no entry in row 2, column 0"),
])
def test_views_that_cannot_be_shown_are_refused(size, order, p, words):
    with pytest.raises(ValueError, match=words):
        explore.kronecker_views(torch.zeros(size), order, p)


@pytest.mark.parametrize("of, p, q", [("W", 2, 4), ("X", 3, 2), ("b", 1, 5)])
@pytest.mark.parametrize("N, n, m", [(3, 2, 5), (1, 4, 6)])
def test_the_gradients_of_a_layer_and_their_sums_are_those_of_torch(N, n, m, of, p, q):
    torch.manual_seed(N)
    X, W, b = (torch.randn(*shape).double().requires_grad_() for shape in ((N, n), (n, m), (1, m)))
    J_Y = torch.randn(N, m).double()
    (J_Y * (X @ W + b)).sum().backward()
    rows, columns = {"W": (n, m), "X": (N, n), "b": (1, m)}[of]
    p, q = min(p, rows), min(q, columns)
    found, = computed("xw-backward", [{"X": X.tolist(), "W": W.tolist(), "J_Y": J_Y.tolist(), "of": of, "p": p, "q": q}])
    for name, of_torch in (("X", X), ("W", W), ("b", b)):
        close(found[f"J_{name}"], of_torch.grad)
    entry = {"X": X, "W": W, "b": b}[of].grad[p - 1, q - 1]
    close(found["sum"], entry)
    close(sum(found["products"]), entry)
    if of == "b":
        factors = J_Y[:, q - 1:q]
    else:
        factors = torch.stack([X[:, p - 1], J_Y[:, q - 1]] if of == "W" else [J_Y[p - 1], W[q - 1]], 1)
    close(found["factors"], factors.detach())


def test_a_layer_that_the_figure_cannot_hold_is_refused_in_one_sentence():
    X, W, J_Y = torch.ones(2, 3), torch.ones(3, 5), torch.ones(2, 5)
    for wrong, words in (((X, W, J_Y.T), "J_Y must have the shape"), ((X[:1], W, J_Y[:1]), "N = 2 or 3"),
                         ((X, W / 2, J_Y), "W must hold whole numbers"), ((X, W, J_Y, 4), "must be an entry of W")):
        with pytest.raises(ValueError, match=words):
            explore.xw_backward(*wrong)


def special(inputs, W, X, J_D):
    """The matrices that a choice of the reader means."""
    def symmetric(M):
        return M.triu() + M.triu(1).T

    V, J = X[:, :3], J_D[:, :3]
    return {"square": (W, V, J), "symmetric": (W, symmetric(V), J), "ones": (W, V, torch.ones_like(J)),
            "both": (W, symmetric(V), symmetric(J)), "narrow": (W, V[:, :2], J[:, :2]), "differ": (W[:2], X, J_D[:2])}[inputs]


@pytest.mark.parametrize("inputs, fit, alive", [("square", 8, 1), ("symmetric", 8, 2), ("ones", 8, 2), ("both", 8, 4),
                                                ("narrow", 2, 1), ("differ", 1, 1)])
def test_eight_products_are_judged_as_torch_judges_them(inputs, fit, alive):
    torch.manual_seed(2)
    drawn = {name: torch.randn(3, columns).double() for name, columns in (("W", 3), ("X", 4), ("J_D", 4))}
    found, = computed("which-product", [{name: value.tolist() for name, value in drawn.items()} | {"inputs": inputs}])
    W, X, J = special(inputs, **drawn)
    for name, value in (("W", W), ("X", X), ("J_D", J)):
        close(found[name], value)
    W = W.clone().requires_grad_()
    loss = (J * (W @ X)).sum()
    gradient, = torch.autograd.grad(loss, W)
    close(found["before"], loss.detach())
    torch.testing.assert_close(tensor(found["quotient"]), gradient, rtol=0, atol=1e-11)
    changes = torch.stack([(J * ((W.detach() + 0.1 * nudge) @ X)).sum() for nudge in torch.eye(W.numel()).double().view(-1, *W.shape)])
    close(found["after"], changes.view(W.shape))
    factors = [(J, X.T), (J, X), (J.T, X.T), (J.T, X), (X.T, J), (X, J), (X.T, J.T), (X, J.T)]
    for (left, right), product in zip(factors, found["products"], strict=True):
        defined = left.shape[1] == right.shape[0]
        assert product["shape"] == ([left.shape[0], right.shape[1]] if defined else None)
        assert product["fits"] == (defined and (left @ right).shape == W.shape)
        if defined:
            close(product["claim"], left @ right)
        if product["fits"]:
            same = torch.isclose(left @ right, gradient, rtol=0, atol=1e-9)
            assert (product["right"], product["lives"]) == (same.sum().item(), same.all().item())
    assert sum(product["fits"] for product in found["products"]) == fit
    assert sum(product["lives"] for product in found["products"]) == alive


def test_matrices_that_would_let_a_wrong_product_live_from_the_start_are_refused():
    torch.manual_seed(4)
    W, X, J_D = torch.eye(3), torch.randint(-4, 5, (3, 4)).float(), torch.randint(-4, 5, (3, 4)).float()
    explore.which_product(W, X, J_D)
    for wrong, words in (((W, X, torch.ones(3, 4)), "a wrong product agrees"), ((W, X[:, :3], J_D), "X must have the shape"),
                         ((W / 2, X, J_D), "W must hold whole numbers")):
        with pytest.raises(ValueError, match=words):
            explore.which_product(*wrong)


def test_the_plane_of_rms_norm_shows_the_gradients_and_the_jacobian_of_torch():
    torch.manual_seed(0)
    keys = ("a1", "a2", "Jv1", "Jv2", "g1", "g2", "b1", "b2")
    states = [dict(zip(keys, row)) | {"eps": eps} for row, eps in
              zip(torch.randn(30, 8).double().tolist(), [0.0] * 10 + torch.rand(20).double().tolist())]
    states.append(dict.fromkeys(keys, 0.0) | {"Jv1": 1.0, "g1": 0.5, "b2": 0.25, "eps": 0.1})
    for state, found in zip(states, computed("rms-norm-plane", states)):
        a, J_v, g, b = (torch.tensor([state[f"{name}{i}"] for i in (1, 2)]).double() for name in ("a", "Jv", "g", "b"))
        a.requires_grad_()

        def norm(a, eps=state["eps"]):
            return torch.nn.functional.rms_norm(a, (2,), eps=eps)

        v = norm(a) * g + b
        J_a, = torch.autograd.grad(v, a, J_v)
        a = a.detach()
        close(found["u"], (a.square().mean() + state["eps"]).sqrt())
        close(found["hat"], norm(a))
        close(found["v"], v.detach())
        close(found["R"], torch.func.jacrev(norm)(a))
        close(found["normJv"], g * J_v)
        close(found["Ja"], J_a)
        close(found["slope"], a @ J_a)
        close(found["length"], J_a.norm())
        close([sum(parts) for parts in zip(found["removed"], found["kept"])], g * J_v)
        close(found["kept"], found["u"] * J_a)
        across, along = torch.linalg.eigvalsh(torch.func.jacrev(norm)(a)).flip(0)
        close([found["across"], found["along"]], torch.stack([across, along]))
        if a.any():
            cosine = torch.nn.functional.cosine_similarity(a, J_a, dim=0)
            assert abs(found["degrees"] - torch.rad2deg(torch.arccos(cosine)).item()) < 1e-4
        if not state["eps"]:
            assert abs(found["degrees"] - 90) < 1e-6


def test_rms_norm_of_zero_without_epsilon_has_no_matrix_and_the_figure_says_so():
    state = dict.fromkeys(("a1", "a2", "Jv1", "Jv2", "g1", "g2", "b1", "b2", "eps"), 0)
    assert "R" not in computed("rms-norm-plane", [state])[0]
    assert "there is no <b>R</b>" in explore.draw("rms-norm-plane", state)


STEPPED = {"square": lambda t: t * t, "cube": lambda t: t * t * t, "lifted": lambda t: t * t * t + 1000, "reciprocal": lambda t: 1 / t}
STEPS = tensor([float(f"{mantissa}e{power}") for power in range(-16, 0) for mantissa in (1, 1.5, 2, 3, 5, 7)] + [1.0])
SCHEMES = {
    "forward": lambda f, t, h: (f(t + h) - f(t)) / h,
    "central": lambda f, t, h: (f(t + h) - f(t - h)) / (2 * h),
    "complex": lambda f, t, h: f(torch.complex(t.expand_as(h), h)).imag / h,
}


def imaginary_part(name, t, h):
    """That of f(t + ih), in real operations one by one."""
    square = t * t - h * h, t * h + h * t
    return {"square": lambda: square[1], "reciprocal": lambda: -h / (t * t + h * h)}.get(name, lambda: square[0] * h + square[1] * t)()


def test_the_errors_of_all_steps_are_those_of_torch_to_the_last_bit():
    # + − × ÷ round in one way in torch and in a browser. In an operation on complex numbers torch may round less often.
    states = [{"t0": t0, "power": power, "i": (7 * power) % 97, "f": f, "scheme": scheme}
              for t0 in (1.2, 7.3) for power in range(-4, 5) for f in STEPPED for scheme in SCHEMES]
    for state, found in zip(states, computed("step-size", states)):
        f, t = STEPPED[state["f"]], tensor(float(f"{state['t0']}e{state['power']}"))
        h = torch.cat([STEPS, STEPS[state["i"], None]])
        assert (found["t"], found["h"], found["value"]) == (t.item(), h[-1].item(), f(t).item())
        errors = lambda quotients: (quotients / found["slope"] - 1).abs()
        shown, quotients = tensor([*found["errors"], found["error"]]), SCHEMES[state["scheme"]](f, t, h)
        if state["scheme"] == "complex":
            assert ((shown - errors(quotients)).abs() <= 4 * 2**-52 * (1 + shown)).all()
            quotients = imaginary_part(state["f"], t, h) / h
        assert torch.equal(shown, errors(quotients))
        assert found["quotient"] == quotients[-1].item()


def test_the_lines_of_truncation_and_rounding_and_the_best_step_follow_from_the_derivatives():
    states = [{"t0": 1.3, "power": power, "i": 50, "f": f, "scheme": scheme}
              for power in (-3, 0, 2) for f in STEPPED for scheme in SCHEMES]
    eta = torch.finfo(torch.float64).eps
    for state, found in zip(states, computed("step-size", states)):
        t = tensor(float(f"{state['t0']}e{state['power']}")).requires_grad_()
        value = STEPPED[state["f"]](t)
        slope, = torch.autograd.grad(value, t, create_graph=True)
        second, = torch.autograd.grad(slope, t, create_graph=True)
        third = torch.autograd.grad(second, t)[0] if second.requires_grad else tensor(0.0)
        size, second, third, h = abs(value.item()), abs(second.item()), abs(third.item()), STEPS[50].item()
        close(found["slope"] / slope.item(), 1)
        truncation = h * second / 2 if state["scheme"] == "forward" else h**2 * third / 6
        rounding = {"forward": 2 * eta * size / h, "central": eta * size / h, "complex": eta * abs(slope.item())}[state["scheme"]]
        torch.testing.assert_close(float(found["truncation"]), truncation / abs(slope.item()), rtol=1e-12, atol=0)
        torch.testing.assert_close(found["rounding"], rounding / abs(slope.item()), rtol=1e-12, atol=0)
        if state["scheme"] == "complex" or not truncation:
            assert found["best"] is None
        else:
            best = 2 * (eta * size / second) ** (1 / 2) if state["scheme"] == "forward" else (3 * eta * size / third) ** (1 / 3)
            torch.testing.assert_close(found["best"], best, rtol=1e-12, atol=0)


def test_a_digit_of_the_quotient_is_right_if_it_is_off_by_less_than_half_of_its_unit():
    states = [{"t0": 1.2, "power": power, "i": i, "f": f, "scheme": scheme}
              for power in (-2, 0, 3) for i in range(0, 97, 7) for f in STEPPED for scheme in SCHEMES]
    for state, found in zip(states, computed("step-size", states)):
        first = Decimal(found["slope"]).adjusted()  # the place of its first digit
        off = Decimal(abs(found["quotient"] - found["slope"]))
        right = [digit for digit in range(1, 17) if off < Decimal(f"5e{first - digit}")]
        assert found["digits"] == len(right)


# --- drawn in the build -----------------------------------------------------------------------------------------------


def test_the_colours_are_those_of_the_book():
    drawn = json.loads(explore.run_node(
        'import { colour } from "./draw.js"; process.stdout.write(JSON.stringify(Object.fromEntries('
        f'{json.dumps(list(theme.PALETTE))}.map((kind) => [kind, colour(kind)]))));'))
    assert drawn == {kind: "currentColor" if kind == "ink" else f"var(--mc-{kind},{shade.light})"
                     for kind, shade in theme.PALETTE.items()}


def test_every_chapter_has_a_figure_to_play_with():
    from test_gate import BREAKS
    assert set(PAGES) == set(FIGURES)
    assert set(PAGES.values()) == set(BREAKS)


@every_figure
def test_a_page_without_scripts_holds_the_picture_and_says_what_it_shows(pages, name):
    figure = pages[f"chapters/{PAGES[name]}.html"].select_one(f'[data-explore="{name}"]')
    assert len(figure.select_one("svg[role=img]")["aria-label"].split()) > 5
    assert figure.select_one(".mc-explore-says").get_text().strip()
    assert json.loads(figure.select_one('script[type="application/json"]').string)
    assert figure.find_parent("figure").select_one("figcaption")


def test_a_figure_that_cannot_be_drawn_says_why():
    with pytest.raises(RuntimeError, match="(?s)could not be drawn.*TypeError"):
        explore.draw("quadratic-form", {})


# --- in the browser ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def pages(site):
    return look.read_pages(site)


@pytest.fixture
def figure(site_url, page):
    """Open the page of a figure at it, alive."""
    def opened(name):
        page.goto(f"{site_url}chapters/{PAGES[name]}.html")
        box = page.locator(f'[data-explore="{name}"]')
        box.scroll_into_view_if_needed()
        page.wait_for_function("name => window.mcExplore?.[name]", arg=name)
        page.wait_for_timeout(50)
        return box
    return opened


def said(box) -> str:
    return box.locator(".mc-explore-says").inner_text()


@every_figure
def test_every_control_of_a_figure_works_by_keyboard_and_is_told_in_words(figure, page, name):
    box = figure(name)
    controls = box.locator(".mc-explore-controls [data-name]:not([type=radio]), .mc-explore-controls [type=radio]:checked")
    for number in itertools.takewhile(lambda number: number < controls.count(), itertools.count()):  # one may change the others
        control = controls.nth(number)
        before, label = said(box), control.get_attribute("data-name")
        control.focus()
        for key in ("ArrowRight", "ArrowLeft"):
            page.keyboard.press(key)
            settle(page)
            if said(box) != before:
                break
        assert said(box) != before, f"{name}: {label} changes nothing"
        assert page.evaluate("document.activeElement.dataset.name") == label, "the control keeps the focus"
    page.wait_for_timeout(500)
    heard = box.locator("[role=status]").inner_text()
    assert heard and heard == box.locator("svg").get_attribute("aria-label")


def press(page, box, x, y, to=None):
    """Press, and drag, at points given as parts of the picture's width and height."""
    area = box.locator("svg").bounding_box()
    page.mouse.move(area["x"] + x * area["width"], area["y"] + y * area["height"])
    page.mouse.down()
    if to:
        page.mouse.move(area["x"] + to[0] * area["width"], area["y"] + to[1] * area["height"], steps=4)
    page.mouse.up()
    settle(page)


def test_a_vector_dragged_in_the_plane_is_where_the_pointer_left_it(figure, page):
    box = figure("quadratic-form")
    press(page, box, 0.5, 0.5, to=(0.5 + 95 / 440, 0.5 + 95 / 340))
    assert box.locator("[data-name=x1]").input_value() == "1"
    assert box.locator("[data-name=x2]").input_value() == "-1"
    form = 2 * 1 + 2 * 0.7 * -1 + 1
    assert f"= {form:.2f}" in said(box)


def test_a_finger_drags_the_vector_and_scrolls_the_page_beside_it(site_url, browser):
    context = browser.new_context(viewport=look.SIZES["phone"], has_touch=True)
    page = context.new_page()
    page.goto(f"{site_url}chapters/{PAGES['quadratic-form']}.html")
    box = page.locator('[data-explore="quadratic-form"]')
    box.scroll_into_view_if_needed()
    page.wait_for_function("() => window.mcExplore?.['quadratic-form']")
    page.wait_for_timeout(100)
    devtools = context.new_cdp_session(page)

    def drag(x, y, to):
        for kind, points in (("touchStart", [(x, y)]), *(("touchMove", [(x + (to[0] - x) * t / 8, y + (to[1] - y) * t / 8)])
                                                         for t in range(1, 9)), ("touchEnd", [])):
            devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": a, "y": b} for a, b in points]})
            page.wait_for_timeout(30)

    before, scrolled = said(box), page.evaluate("scrollY")
    hold = box.locator(".mc-handle circle").first.bounding_box()
    x, y = hold["x"] + hold["width"] / 2, hold["y"] + hold["height"] / 2
    drag(x, y, (x - 60, y - 60))
    page.wait_for_timeout(100)
    after = said(box)
    assert after != before
    assert page.evaluate("scrollY") == scrolled
    area = box.locator("svg").bounding_box()
    drag(area["x"] + 20, area["y"] + area["height"] - 10, (area["x"] + 20, area["y"] + 10))
    page.wait_for_timeout(300)
    assert said(box) == after and page.evaluate("scrollY") != scrolled
    context.close()


def settle(page) -> None:
    """Wait until the figures have drawn what they were told, however busy the machine is."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def hit(page, box, *entry):
    """Press an entry of a grid."""
    settle(page)
    page.mouse.click(*box.evaluate("""(box, entry) => {
      const area = box.querySelector(`[data-hit="${entry}"]`).getBoundingClientRect();
      return [area.x + area.width / 2, area.y + area.height / 2];
    }""", " ".join(map(str, entry))))
    settle(page)


def test_a_weight_or_an_output_pressed_in_a_slice_or_in_the_sum_is_the_one_followed(figure, page):
    box = figure("tensor-slices")
    hit(page, box, "page2", 0, 1)
    assert [box.locator(f"[data-name={name}]").input_value() for name in "jk"] == ["1", "2"]
    assert "2·1 + (−1)·0 + 0.5·0" in said(box) and "With ones: 1." in said(box)
    for name, value in [("j", "3"), ("k", "1")]:
        box.locator(f"[data-name={name}]").fill(value)
    settle(page)
    assert "Only output 3 reads a31" in said(box)
    box.locator("[data-name=look][value=output]").check()
    hit(page, box, "page2", 0, 1)
    assert box.locator("[data-name=i]").input_value() == "3"
    assert "(0.25, 0.5)" in said(box)
    hit(page, box, "sum", 1, 1)
    assert "(−0.5, −1)" in said(box)


def test_the_sum_of_slices_says_what_ones_and_one_output_do(figure, page):
    box = figure("tensor-slices")
    for values, words in [((1, 1, 1), "backward(ones)"), ((0, 1, 0), "slice 2 itself"), ((0, 0, 0), "nothing is left")]:
        for i, value in enumerate(values, 1):
            box.locator(f"[data-name=v{i}]").fill(str(value))
        settle(page)
        assert words in said(box)


def test_a_weight_pressed_in_any_view_is_the_one_in_all_four(figure, page):
    box = figure("kronecker-views")
    chosen = lambda: [box.locator(f"[data-name={name}]").input_value() for name in "ipq"]
    hit(page, box, "weight", 0, 2)
    assert chosen() == ["0", "0", "2"] and "j = p·n + q = 0·3 + 2 = 2" in said(box)
    hit(page, box, "memory", 0, 4)
    assert chosen() == ["1", "1", "1"] and "j = p·n + q = 1·3 + 1 = 4" in said(box)
    box.locator("[data-name=order][value=column]").check()
    hit(page, box, "memory", 0, 4)
    assert chosen() == ["0", "0", "2"] and "j = q·m + p = 2·2 + 0 = 4" in said(box)
    hit(page, box, "jacobian", 1, 0)
    assert chosen() == ["1", "0", "0"] and "= 0, since neuron 2 does not have this weight" in said(box)
    hit(page, box, "page0", 0, 1)
    assert chosen() == ["0", "0", "1"] and "∂y1/∂w12 = x2" in said(box)


def test_no_index_leaves_the_weights_when_they_become_fewer(figure, page):
    box = figure("kronecker-views")
    hit(page, box, "weight", 1, 2)
    for name in "mn":
        box.locator(f"[data-name={name}]").fill("1")
        settle(page)
    assert [box.locator(f"[data-name={name}]").input_value() for name in "ipq"] == ["0", "0", "0"]
    assert box.locator("[data-name=q]").get_attribute("max") == "0"
    box.locator("[data-name=n]").fill("4")
    settle(page)
    assert box.locator("[data-hit^=jacobian]").count() == 4


def test_a_pressed_entry_of_a_gradient_is_written_out_and_its_upstream_can_be_set(figure, page):
    box = figure("xw-backward")
    hit(page, box, "J_X", 1, 2)
    assert [box.locator(f"[data-name={name}]").input_value() for name in "pq"] == ["2", "3"]
    assert box.locator("[value=X]").is_checked()
    hit(page, box, "J_Y", 0, 4)
    before = box.locator("svg").get_attribute("aria-label")
    box.locator("[data-name=value]").fill("-4")
    settle(page)
    assert "Entry 2, 3" in before and "entry 1, 5 of J Y, −4," in box.locator("svg").get_attribute("aria-label")
    shown = [box.locator(f'[data-hit="J_b 0 {j}"] text').text_content() for j in range(5)]
    page.keyboard.press("ArrowRight")
    settle(page)
    after = [box.locator(f'[data-hit="J_b 0 {j}"] text').text_content() for j in range(5)]
    assert shown[:4] == after[:4] and int(after[4].replace("−", "-")) == int(shown[4].replace("−", "-")) + 1


def test_a_pressed_product_and_a_pressed_weight_are_judged(figure, page):
    box = figure("which-product")
    assert "2 of its 9 entries agree" in box.locator("svg").get_attribute("aria-label")
    hit(page, box, "product", 0, 0)
    assert box.locator("[value=JXt]").is_checked()
    assert "9 of its 9 entries agree" in box.locator("svg").get_attribute("aria-label")
    hit(page, box, "W", 2, 1)
    hit(page, box, "product", 0, 2)
    assert [box.locator(f"[data-name={name}]").input_value() for name in "pq"] == ["3", "2"]
    gradient = tensor([[2, 1, 0], [-1, 3, 1], [1, 0, 2]]) @ tensor([[1, 2, 3], [2, 1, -1], [0, 3, 2]]).T
    assert f"ΔL / h = {gradient[2, 1]:.0f}." in said(box)
    box.locator("[value=differ]").check()
    settle(page)
    assert box.locator("[data-name=p]").get_attribute("max") == box.locator("[data-name=p]").input_value() == "2"
    assert "1 of the 8 products has the shape of W, 1 agrees everywhere." in said(box)


def test_two_outputs_and_their_upstream_gradient_follow_the_pointer(figure, page):
    box = figure("rms-norm-plane")
    press(page, box, 132 / 460, 132 / 264, to=((132 + 52) / 460, (132 + 104) / 264))
    assert [box.locator(f"[data-name=a{i}]").input_value() for i in (1, 2)] == ["1", "-2"]
    assert f"u = {2.5**0.5:.2f}" in said(box) and "at 90° to a" in said(box)
    # J_v begins at v, and keeps hold of the pointer where it leaves the plane of v.
    g, b = (torch.tensor([float(box.locator(f"[data-name={name}{i}]").input_value()) for i in (1, 2)]) for name in "gb")
    x, y = (g * torch.tensor([1.0, -2.0]) / 2.5**0.5 + b).tolist()
    press(page, box, 367 / 460, 93 / 264, to=((367 + 28 * (x - 1)) / 460, (93 - 28 * (y + 0.5)) / 264))
    assert [box.locator(f"[data-name=Jv{i}]").input_value() for i in (1, 2)] == ["-1", "0.5"]
    press(page, box, 367 / 460, 93 / 264, to=(0.1, 0.9))
    assert [box.locator(f"[data-name=a{i}]").input_value() for i in (1, 2)] == ["1", "-2"]


def test_a_step_is_chosen_by_pressing_and_dragging_in_the_plot_of_errors(figure, page):
    box = figure("step-size")
    before = said(box)
    press(page, box, 90 / 460, 0.4)
    assert said(box) == before  # the close-up is no place to choose
    press(page, box, 300 / 460, 0.4, to=((222 + 232 / 2) / 460, 0.4))
    assert box.locator("[data-name=i]").input_value() == "48" and "h = 1·10⁻⁸" in said(box)
    press(page, box, 300 / 460, 0.4, to=(0.05, 0.4))
    assert "t + h is t: the nudge is lost" in said(box)


@every_figure
def test_every_control_stands_where_the_state_says(figure, name):
    box, state = figure(name), computed_state(name)
    for control in box.locator(".mc-explore-controls [data-name]:not([type=radio]), .mc-explore-controls :checked").all():
        found, wanted = control.input_value(), state[control.get_attribute("data-name")]
        assert found == wanted or float(found) == wanted


@every_figure
def test_a_figure_is_a_widget_of_the_standard_too(site_url, page, name):
    """The module that JupyterLab gets, with a model such as anywidget's."""
    page.goto(f"{site_url}404.html")
    state = computed_state(name)
    page.route("**/widget.js", lambda route: route.fulfill(body=explore.source(name), content_type="text/javascript"))
    shown = page.evaluate("""async (state) => {
      const { default: widget } = await import("/widget.js");
      const heard = new Set(), values = { state };
      const model = { get: (key) => values[key], set: (key, value) => { values[key] = value; },
                      save_changes: () => {}, on: (_, f) => heard.add(f), off: (_, f) => heard.delete(f) };
      const el = document.createElement("div");
      document.body.append(el);
      const end = await widget.render({ model, el });
      const before = el.querySelector(".mc-explore-says").textContent;
      end();
      return [before, el.querySelectorAll("[data-name]").length, heard.size];
    }""", state)
    assert shown[0].strip() and shown[1] and shown[2] == 0


def computed_state(name):
    page = (ROOT / f"_build/html/chapters/{PAGES[name]}.html").read_text("utf-8")
    return json.loads(re.search(rf'data-explore="{name}".*?<script type="application/json">(.*?)</script>', page, re.DOTALL)[1])
