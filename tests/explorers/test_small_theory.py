"""The numbers of the small figures on pages of proofs and of theory, against computations of another kind."""

import math

import numpy as np
import pytest
from scipy import integrate, optimize
from scipy.stats import multivariate_normal

from pairint.aim import AIMTeacher, exact_recovery_threshold, state_evolution, weight_decay
from pairint.aim.channels import make_channel
from pairint.aim.sampling import sampled_kappa
from pairint.experiments import load_results
from pairint.explorers.small import (
    CalmAverage,
    CoolingARow,
    CountingBalls,
    CutOrFade,
    FoundSmoothness,
    HeadsAdded,
    HowMuchDecay,
    HowMuchToLose,
    KeepOrDrop,
    KeptAndLost,
    MoreTokens,
    NearTies,
    RareCells,
    SignOrShape,
    SpikeInNoise,
    TouchOrCut,
    WaveHidesMatrix,
    WhereToSplit,
    WhoseCurve,
)
from pairint.explorers.small.covering import ACCURACIES, centres
from pairint.explorers.small.decay import COUNTS, DECAYS
from pairint.explorers.small.kept import directions
from pairint.explorers.small.needle import chances, half_width, unexplained
from pairint.explorers.small.rare import LAWS
from pairint.explorers.small.spike import LEVELS, WIDTHS
from pairint.explorers.small.threshold import parts
from pairint.explorers.small.whose_curve import WIDTHS as RATIOS
from pairint.figures.upper_bound import SETTING
from pairint.model import SplineSpace
from pairint.theory import adaptive_upper_bound, coercivity_constant, oracle_upper_bound, split_upper_bound
from pairint.theory.coercivity import exact_gram, product_density
from pairint.theory.lower import sign_risk, weight_risk


@pytest.mark.parametrize(("kept", "samples"), [(1, 100), (31, 10_000), (90, 100_000)])
def test_the_worst_truth_of_a_cut_and_of_the_filter_are_found_by_search(kept, samples):
    """A linear function of the squares is largest at a vertex of the simplex: all vertices are tried."""
    numbers = CutOrFade(kept=kept, samples=samples).numbers()
    price = 0.25 * 2 / (3 * samples)
    k = np.arange(1, 400)
    energy = 1 / ((2 * k - 1) * 2 * k)  # all of Q = 1 in coefficient k, for beta = 1

    def worst(factors):
        return np.max((1 - factors) ** 2 * energy) + price * np.sum(factors**2)

    assert numbers.facts["error"] == pytest.approx(worst(np.where(k <= kept, 1.0, 0.0)), rel=1e-12)
    # The best of all fading filters of this form, found by search over its one number.
    weights = energy**-0.5
    found = optimize.minimize_scalar(
        lambda t: worst(np.maximum(1 - t * weights, 0)), bounds=(1e-4, 0.5), method="bounded"
    )
    risk = numbers.series["errors.fade"]["at"]
    assert risk == pytest.approx(found.fun, rel=1e-6) and risk < found.fun * (1 + 1e-12)
    assert np.all(numbers.series["errors.cut"]["y"] > 1.5 * risk)  # no cut comes near
    assert numbers.facts["least"] == pytest.approx(min(numbers.series["errors.cut"]["y"]) / risk)


@pytest.mark.parametrize(("degrees", "frequency"), [(0.0, 2), (5.0, 4), (60.0, 1), (20.0, 8)])
def test_what_a_turned_wave_leaves_is_what_regression_leaves(degrees, frequency):
    """Draws: the squared correlation of two waves, within four standard errors (of a mean of batches)."""
    rng = np.random.default_rng(5)
    x, y, z = rng.standard_normal((3, 40, 20_000))
    angle = math.radians(degrees)
    truth = np.sin(frequency * x * y)
    candidate = np.sin(frequency * x * (math.cos(angle) * y + math.sin(angle) * z))
    cross = (truth * candidate).mean(axis=1)
    left = 1 - cross**2 / ((truth**2).mean(axis=1) * (candidate**2).mean(axis=1))
    error = left.std(ddof=1) / math.sqrt(40)
    # A batch's squared correlation exceeds the true one by at most four over its size.
    assert abs(left.mean() - unexplained(degrees, frequency)) < 4 * error + 4 / 20_000


@pytest.mark.parametrize("dimension", [2, 3, 5])
def test_random_directions_fall_into_the_pit_as_often_as_said(dimension):
    rng = np.random.default_rng(2)
    directions_drawn = rng.standard_normal((400_000, dimension))
    cosine = np.abs(directions_drawn[:, 0]) / np.linalg.norm(directions_drawn, axis=1)
    for frequency in (1, 4):
        figure = WaveHidesMatrix(frequency=frequency, dimension=dimension).numbers()
        width = figure.facts["width"]
        assert unexplained(width, frequency) == pytest.approx(0.5, abs=1e-9)
        near = np.mean(cosine > math.cos(math.radians(width)))
        chance = figure.facts["chance"]
        assert abs(near - chance) < 4 * math.sqrt(chance * (1 - chance) / 400_000)
    assert half_width(64) < half_width(32) < half_width(1)
    assert np.all(chances(10) < chances(3))


def test_spikes_leave_where_the_theorem_says():
    """Narrower layers come nearer to the limit, on both sides of t = 1; mass and mean of the density."""
    for level in (0.5, 0.8, 1.2, 2.0):
        off = []
        for width in WIDTHS:
            numbers = SpikeInNoise(level=level, width=width).numbers()
            off.append(abs(numbers.facts["error"] - numbers.facts["limit"]))
            x, y = (np.asarray(numbers.series["spectrum.density"][c]) for c in "xy")
            # Trapezoids over the square of a sine lose a sixth of the step's square, twice on two bulks.
            slack = 4 * (math.pi / 25) ** 2 / 6
            assert integrate.trapezoid(y, x) == pytest.approx(1, abs=slack)
            # The mean of the layer's eigenvalues is sqrt(rho), in units of 1/sqrt(rho): rho.
            assert integrate.trapezoid(x * y, x) == pytest.approx(width, abs=slack * (2 + level))
            assert ("spectrum.spike" in numbers.series) == (level < 1)
        assert off == sorted(off, reverse=True)
    assert "stands apart" in SpikeInNoise(level=0.3, width=0.03).sentence()
    assert "drowns" in SpikeInNoise(level=LEVELS[-1]).sentence()


@pytest.mark.slow
def test_a_drawn_spike_costs_what_is_drawn():
    """One large matrix with one spike: where it is seen, and what keeping costs; order q^(-1/2) is left."""
    q = 1000
    rng = np.random.default_rng(1)
    for strength in (0.5, 1.4, 2.5):
        noise = rng.standard_normal((q, q)) / math.sqrt(q)
        signal = np.zeros((q, q))
        signal[0, 0] = strength
        u, s, v = np.linalg.svd(noise + signal)
        facts = KeepOrDrop(strength=strength).numbers().facts
        kept = np.sum((signal - s[0] * np.outer(u[:, 0], v[0])) ** 2)
        # The value fluctuates by 1/sqrt(q), at the edge by q^(-2/3); costs have slopes below ten in it.
        assert s[0] == pytest.approx(facts["seen"], abs=4 / math.sqrt(q))
        assert kept == pytest.approx(facts["keep"], abs=40 / math.sqrt(q))
        assert facts["drop"] == pytest.approx(strength**2)


def test_only_the_right_weight_makes_no_mistake():
    """Negative control: at weight 4/3 every strength is judged right, at weight one or two some are not."""
    for weight, mistakes in ((1.0, True), (4 / 3, False), (2.0, True)):
        wrong = [
            strength
            for strength in np.round(np.arange(0.0, 3.0, 0.04), 2)
            if "wrong" in KeepOrDrop(strength=float(strength), weight=weight).numbers().facts["verdict"]
        ]
        assert bool(wrong) == mistakes
        if weight == 1.0:
            assert min(wrong) > 1 and max(wrong) < math.sqrt(3)


def test_doubt_is_what_labels_show():
    """Drawn margins and labels: the share in doubt; and what a label is worth, from the channel."""
    rng = np.random.default_rng(0)
    for known in (0.3, 10.0, 1000.0):
        numbers = NearTies(known=known).numbers()
        margin = math.sqrt(known) * rng.standard_normal(200_000)
        share = 100 * np.mean(np.abs(margin) < 1.6448536269514722)
        expected = numbers.facts["share"]
        assert abs(share - expected) < 4 * math.sqrt(expected * (100 - expected) / 200_000)
        assert numbers.facts["worth"] == pytest.approx(float(make_channel("hardmax").kappa(known)), rel=1e-12)
    doubt = NearTies(known=1.0).numbers().series["rows.doubt"]
    total = integrate.trapezoid(doubt["y"], doubt["x"])
    # A normal margin of variance one makes the chance uniform: the mean entropy is half a nat, in bits.
    # Beyond three spreads there is a doubt of less than a thousandth.
    assert total == pytest.approx(0.5 / math.log(2), abs=2e-3)
    tail = NearTies().numbers().series
    assert tail["worth.tail"]["y"][-1] == pytest.approx(tail["worth.hardmax"]["y"][-1], rel=0.01)


@pytest.mark.parametrize("noise", ["Gaussian", "other"])
def test_the_better_prior_is_the_package_bound(noise):
    for information in (0.05, 0.9, 4.0, 20.0, 250.0):
        numbers = SignOrShape(information=information, noise=noise).numbers()
        bound = numbers.facts["bound"]
        assert bound == pytest.approx(
            float(weight_risk(information, gaussian=noise == "Gaussian")), rel=1e-12
        )
        height = numbers.series["priors.signs"]["x"][1]
        left = height**2 * information
        risk = float(sign_risk(left)) if noise == "Gaussian" else math.exp(-left)
        # The signs that are drawn give the bound that is said to be theirs, or the density has it.
        if "signs" in numbers.facts["prior"]:
            assert bound == pytest.approx(height**2 * risk, rel=1e-9)
        else:
            assert bound == pytest.approx(1 / (information + math.pi**2), rel=1e-12)
            assert bound > height**2 * risk
        assert bound <= numbers.facts["above"]


@pytest.mark.parametrize("tokens", [3, 8, 40])
def test_directions_are_those_of_the_coercivity_constant(tokens):
    """Generalised eigenvalues for this number of tokens, all fifteen; and the functions have these ratios."""
    space = SplineSpace(-3.0, 3.0, 12, 3)
    expected = np.sort(coercivity_constant(exact_gram(space, 3.0, tokens)).eigenvalues)
    kept = KeptAndLost(tokens=tokens).numbers().series["spectrum.kept"]["y"]
    np.testing.assert_allclose(np.sort(kept), expected, rtol=1e-9)
    common, functions = directions()
    scores = np.linspace(-3.0, 3.0, 121)
    for share, values in zip(common, functions, strict=True):
        sign = -1 if share == 0 else 1
        np.testing.assert_allclose(values[::-1], sign * values, atol=1e-6 * np.abs(values).max())
    assert "odd" in KeptAndLost(direction=7).sentence() and "even" in KeptAndLost(direction=8).sentence()
    assert scores.size == functions.shape[1]
    # The last direction is the constant function: seen whole.
    np.testing.assert_allclose(np.abs(functions[-1]), 1, rtol=1e-8)
    assert KeptAndLost(direction=15, tokens=tokens).numbers().facts["kept"] == pytest.approx(1)


@pytest.mark.slow
def test_decay_is_that_of_the_three_equations():
    for alpha in COUNTS:
        for decay in (DECAYS[0], 0.22, DECAYS[-1]):
            numbers = HowMuchDecay(decay=decay, samples=alpha).numbers()
            theory = weight_decay(alpha, 0.3, decay, "linear", noise=0.2)
            facts = numbers.facts
            assert facts["error"] == pytest.approx(float(theory.error), rel=1e-6)
            x, y = (np.asarray(numbers.series["spectrum.law"][c]) for c in "xy")
            # The mass of the law is the rank, its mean the trace. Trapezoids over the square of a sine with
            # thirty steps lose a sixth of the step's square of the area; four times that for other shapes.
            slack = 4 * (math.pi / 30) ** 2 / 6
            for f, whole in ((y, 1 - facts["zero"] / 100), (x * y, float(theory.trace))):
                assert integrate.trapezoid(f, x) == pytest.approx(whole, rel=slack)
            assert facts["bayes"] < facts["least"] <= facts["error"]


@pytest.mark.parametrize("law", LAWS)
def test_rare_cells_cost_what_polynomials_say(law):
    """The dearest cell by its definition: the largest square at an end of a line with mean square one."""
    figure = RareCells(law=law, dropped=0).numbers()
    density = {
        "uniform": lambda u: 0.5,
        "cube": lambda u: 0.5 * math.log(1 / abs(u)),
        "sphere5": lambda u: (1 - u**2) * 0.75,
        "sphere10": lambda u: (1 - u**2) ** 3.5 * math.gamma(5) / (math.gamma(4.5) * math.gamma(0.5)),
    }[law]
    low = 1 - 2 / 32
    moments = [integrate.quad(lambda u, p=p: density(u) * u**p, low, 1, epsabs=1e-15)[0] for p in range(3)]
    gram = np.array([[moments[0], moments[1]], [moments[1], moments[2]]])
    largest = max(np.array([1.0, e]) @ np.linalg.solve(gram, [1.0, e]) for e in (low, 1.0))
    # Moments of u about zero on a narrow cell: the condition number of their matrix is below 1e7.
    assert figure.series["cells.kept"]["y"][-1] == pytest.approx(largest, rel=1e-6)
    dropped = RareCells(law=law, dropped=3).numbers()
    mass, _ = integrate.quad(density, 1 - 6 / 32, 1)
    assert dropped.facts["lost"] == pytest.approx(200 * mass, rel=1e-9)
    assert (dropped.facts["dearest"] < figure.facts["dearest"] / 1.5) == (law != "uniform")


@pytest.mark.parametrize("tokens", [2, 5, 33, 513])
def test_squares_of_averages_of_drawn_signs(tokens):
    numbers = CalmAverage(tokens=tokens).numbers()
    rng = np.random.default_rng(7)
    n = tokens - 1
    sums = 2 * rng.binomial(n, 0.5, 200_000) - n
    square = sums**2 / n
    for x, chance in zip(numbers.series["law.tail"]["x"], numbers.series["law.tail"]["y"], strict=True):
        share = np.mean(square >= x * (1 - 1e-9))
        assert abs(share - chance) < 4 * math.sqrt(chance * (1 - chance) / 200_000) + 2e-5
    # The fourth moment of the average over the square of its second, exactly: 3 - 2/n.
    assert numbers.facts["fourth"] == pytest.approx(3 - 2 / n)
    if tokens < 40:
        signs = np.array(np.meshgrid(*[[-1, 1]] * min(n, 4))).reshape(min(n, 4), -1)
        if n <= 4:
            assert np.mean(signs.mean(axis=0) ** 4) * n**2 == pytest.approx(numbers.facts["fourth"])


@pytest.mark.slow
@pytest.mark.parametrize("heads", [1, 3, 8])
def test_heads_that_are_added_are_one_wide_layer(heads):
    for alpha in (0.05, 0.2):
        facts = HeadsAdded(heads=heads, samples=alpha).numbers().facts
        wide = float(state_evolution(alpha, 0.3 * heads, "softmax").mmse)
        assert facts["together"] == pytest.approx(wide, rel=1e-6, abs=1e-12)
        assert facts["one"] == pytest.approx(1 - (1 - wide) / heads, rel=1e-9, abs=1e-12)
    assert facts["threshold"] == pytest.approx(exact_recovery_threshold(0.3 * heads))
    end = HeadsAdded(heads=heads, samples=0.4).numbers().facts
    assert end["together"] == 0 and end["one"] == pytest.approx(1 - 1 / heads)


@pytest.mark.parametrize(("first", "second"), [(0.5, 1.5), (-1.0, -0.5), (1.2, 0.0)])
def test_the_line_that_touches_has_the_slope_of_scipys_probability(first, second):
    facts = TouchOrCut(first=first, second=second).numbers().facts
    law = multivariate_normal([0, 0], [[1, 1 / 3], [1 / 3, 1]])
    step = 1e-3
    slope = (law.cdf([first + step, second]) - law.cdf([first - step, second])) / (2 * step)
    # SciPy's two-dimensional distribution function is exact to 1e-8 or so; the third derivative is below one.
    assert facts["slope"] == pytest.approx(slope, abs=step**2 / 6 + 1e-6)
    assert facts["density"] == pytest.approx(law.pdf([first, second]), rel=1e-12)
    assert abs(facts["density"] - slope) > 1e-3  # negative control: the density is another number
    value = TouchOrCut(first=first, second=second).numbers().series["curve.here"]["y"][0]
    assert value == pytest.approx(law.cdf([first, second]), abs=1e-6)


def test_a_cooled_row_is_the_label_of_the_channels():
    teacher = AIMTeacher(40, 0.5, 6, rng=np.random.default_rng(0))
    assert teacher.S.shape == (40, 40)
    for token in (1, 4, 6):
        row = np.array(CoolingARow().data()["indices"][token - 1])
        h = np.zeros((1, 6, 6))
        h[0, 0] = row
        soft = make_channel("softmax", 6).output(h)[0, 0]
        figure = CoolingARow(token=token, inverse=1.0).numbers()
        np.testing.assert_allclose(figure.series["weights.tops"]["y"], soft, rtol=1e-12)
        hard = make_channel("hardmax", 6).output(h)[0, 0]
        cold = CoolingARow(token=token, inverse=100.0).numbers()
        np.testing.assert_allclose(cold.series["weights.tops"]["y"], hard, atol=0.01)
        assert cold.facts["bits"] < 0.1 < figure.facts["bits"] < math.log2(6)


@pytest.mark.slow
@pytest.mark.parametrize("tokens", [2, 3, 4])
def test_labels_of_more_tokens_against_sampling(tokens):
    """The information at tau = 1, sampled with the exact score, within four standard errors and its own."""
    label = MoreTokens(tokens=tokens).numbers().series["label.these"]
    here = np.interp(math.sqrt(0.5), label["x"], label["y"]) * math.sqrt(0.5)
    sampled, error = sampled_kappa("hardmax", 1.0, 4000, tokens, n_tokens=tokens)
    # The interpolation of a curve in steps of a fiftieth, whose second derivative is below ten.
    assert abs(here - sampled) < 4 * error + 10 * 0.02**2 / 8 + 0.01 * here
    facts = MoreTokens(tokens=tokens, samples=0.3).numbers().facts
    assert facts["error"] == pytest.approx(float(state_evolution(0.3, 0.5, "hardmax", tokens).mmse), rel=1e-6)
    # The area below the curve is twice the entropy of a label: from 0.02 on, and the piece before it.
    area = integrate.trapezoid(label["y"], label["x"]) + 0.02 * (facts["tail"] + label["y"][0]) / 2
    assert area == pytest.approx(2 * facts["entropy"], rel=1e-3)


@pytest.mark.parametrize("accuracy", ACCURACIES)
def test_discs_cover_and_keep_their_distance(accuracy):
    middle = centres(accuracy)
    gaps = np.linalg.norm(middle[:, None] - middle, axis=2) + 10 * np.eye(len(middle))
    assert gaps.min() > accuracy
    rng = np.random.default_rng(9)
    radius, angle = np.sqrt(rng.uniform(0, 1, 20_000)), rng.uniform(0, 2 * math.pi, 20_000)
    fresh = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    left = np.linalg.norm(fresh[:, None] - middle, axis=2).min(axis=1) > accuracy
    # Four thousand points were covered. What they leave has a chance of c with (1-c)^4000 = 1e-9, at most,
    # for one set of centres; of these there are as many as ways to choose them.
    assert left.mean() < (len(middle) * math.log(4000) + math.log(1e9)) / 4000
    facts = CountingBalls(accuracy=accuracy, rank=3).numbers().facts
    assert len(middle) == facts["count"] <= facts["allowed"] == math.floor((1 + 2 / accuracy) ** 2 + 1e-9)
    assert facts["low"] == pytest.approx(600 * math.log(1 + 4 / accuracy))
    assert facts["full"] == pytest.approx(10_000 * math.log(1 + 2 / accuracy))


def test_the_penalty_finds_the_cells_of_the_bound():
    """Negative control: the cells for beta = 2 are wrong for other truths, by a factor."""
    for beta in (0.5, 1.0, 4.0):
        facts = FoundSmoothness(beta=beta, samples=10**9).numbers().facts
        total = FoundSmoothness(beta=beta, samples=10**9).numbers().series["cells.total"]
        assert facts["least"] == min(total["y"])
        assert facts["times"] > 1.3
    right = FoundSmoothness(beta=2.0).numbers().facts
    assert right["times"] == 1
    found = FoundSmoothness().numbers().series["found.line"]["y"]
    assert list(found) == sorted(found, reverse=True)
    # The bound of the package is the least of such sums over all degrees, and more: slack and accuracy.
    setting = SETTING
    bound = adaptive_upper_bound(10**7, setting, odd=True)
    least = FoundSmoothness(beta=2.0, samples=10**7).numbers().facts["least"]
    assert least / 4 < bound.value < 4 * least


@pytest.mark.parametrize("samples", [100_000, 1_000_000, 10_000_000])
def test_the_best_loss_is_that_of_the_bound(samples):
    """At the loss that the package finds the parts are those of its bound; no other loss is better."""
    bound = oracle_upper_bound(
        samples, SETTING, density=lambda u: product_density(u, 3.0), odd=True, n_intervals=32, drop=False
    )
    noise, failure, total = parts(bound.gram_loss, samples)
    assert noise == pytest.approx(bound.variance, rel=1e-9)
    assert failure == pytest.approx(bound.failure, rel=1e-6)  # the exponential of a sum of many digits
    assert total == pytest.approx(bound.value, rel=1e-9)
    facts = HowMuchToLose(samples=samples).numbers().facts
    # The package's losses are finer than the slider's, and not the same.
    assert bound.value * 0.99 < facts["least"] < 1.1 * bound.value
    assert HowMuchToLose(samples=samples, loss=0.02).numbers().facts["total"] > 2 * bound.value


@pytest.mark.slow
def test_a_split_is_that_of_the_bound():
    """At the dimension of the setting and the split of the package the sum is the package's bound."""
    bound = split_upper_bound(10**8, SETTING, density=lambda u: product_density(u, 3.0), odd=True)
    numbers = WhereToSplit(d=SETTING.d, percent=30).numbers()
    share = bound.n_fit / 10**8
    series = numbers.series["split.total"]
    # Between two points, steps of a fiftieth; the curve is convex.
    assert np.interp(100 * share, series["x"], series["y"]) == pytest.approx(bound.value, rel=0.02)
    assert numbers.facts["least"] <= bound.value * 1.02
    # The choice pays for the dimension, the activation does not.
    more = WhereToSplit(d=10 * SETTING.d, percent=30).numbers().facts
    assert more["fit"] == pytest.approx(numbers.facts["fit"])
    assert more["choice"] > 10 * numbers.facts["choice"]
    choice = numbers.facts["choice"] * (1 - 0.3) / (1 - share)
    assert choice == pytest.approx(bound.matrix, rel=1e-9)


@pytest.mark.slow
def test_no_run_lies_below_the_right_curve_and_many_below_the_other():
    """Means from the table, over the errors of the limit that the experiment stored beside them."""
    table = load_results("aim_hardmax")
    for width in RATIOS:
        rows = table[table["rho"] == width]
        right = WhoseCurve(width=width, curve="derivative").numbers()
        wrong = WhoseCurve(width=width, curve="density").numbers()
        expected = rows.groupby("alpha").apply(lambda g: g["error"].mean() / g["bayes_finite"].iloc[0])
        np.testing.assert_allclose(right.series["ratios.means"]["y"], expected, rtol=1e-4)  # five digits
        assert right.facts["below"] == 0 and wrong.facts["below"] >= 5
        assert "not it" in wrong.facts["verdict"] and "not it" not in right.facts["verdict"]
        assert sorted(right.series["errors.runs"]["y"]) == pytest.approx(sorted(rows["error"]), rel=1e-4)
