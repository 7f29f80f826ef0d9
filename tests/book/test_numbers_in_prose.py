"""Numbers that stand in sentences and cannot be computed there are those of the stored tables."""

import re
from pathlib import Path

import numpy as np
import pytest

from pairint.experiments import load_results
from pairint.experiments.measurements import measurement

BOOK = Path(__file__).resolve().parents[2] / "book"


def in_short(page):
    """Return the three sentences to keep of a page, on one line."""
    text = (BOOK / f"{page}.md").read_text(encoding="utf-8")
    return " ".join(re.search(r"```\{in-short\}\n(.*?)```", text, re.DOTALL)[1].split())


def coverage():
    table = load_results("coverage")
    means = (
        table[(table["refinement"] == 2) & (table["matrix"] == "learned")].groupby("case")["coverage"].mean()
    )
    others = means.drop("rough 1")
    return (
        f"in {others.min():.0%} to {others.max():.0%} of cases".replace("% to", " to").replace("%", " %"),
        f"in {means['rough 1']:.0%} for the roughest".replace("%", " %"),
    )


def planning():
    table = load_results("planning")
    # Plans of a Hölder class are cautious; those that count parameters are to be met.
    counted = table[table["case"].str.startswith("tanh") & (table["part"] == 1.0)]
    means = counted.groupby("case")["ratio"].mean()
    assert len(means) == 4
    return (f"had {means.min():.1f} to {means.max():.1f} times the target",)


def fish():
    table = load_results("fish")
    film = table[(table["data"] == "trajectorytools") & (table["control"] == "none") & (table["ahead"] == 13)]
    crossing = film[film["what"] == "crossing"].iloc[0]
    assert round(crossing["value"]) == 7
    assert film[film["what"] == "gain"]["value"].item() == pytest.approx(0.1, abs=0.005)
    return (
        f"below about seven (95 %: {crossing['low']:.1f} to {crossing['high']:.0f}) nearest-neighbour",
        "add a tenth to",
    )


def head():
    table = load_results("head_recovery")
    fits = table[(table["kind"] == "fit") & (table["task"] == "exp") & (table["rank"] == 32)]
    most = fits[(fits["noise"] > 0) & (fits["n_tokens"] == fits["n_tokens"].max())]
    assert len(most) == 3
    assert round(most["n_tokens"].iloc[0], -3) == 16_000
    assert 0.035 < (most["in_sample"] / most["law"] - 1).max() < 0.045  # "to four per cent"
    assert (most["error"] / most["law"]).between(1.75, 2.25).mean() > 0.5  # "about twice"
    hidden = load_results("heads_coercivity")
    windows = hidden[hidden["kind"] == "window"].groupby(["layer", "head"])["value"].mean()
    assert round(20 * windows.min()) == 1  # "nineteen parts in twenty"
    return ("to four per cent", "about twice that", "nineteen parts in twenty")


def normaliser_cost():
    from pairint.experiments.beyond.normaliser import factor_slope, factors

    table = load_results("normaliser")
    found = factors(table)
    last = found[found["n_samples"] == found["n_samples"].max()]
    assert set(table["n_tokens"]) == {4} and last["factor"].between(1.75, 2.25).all()
    assert last["from information"].between(last["low"], last["high"]).all()
    assert all(factor_slope(table, 4, against).high < 1 / 5 for against in ("told", "mean"))
    return ("With four tokens", "about doubles", "fifth root")


def recovery():
    """From which number of outputs an unknown at least half of the fits recover, and go on to."""
    shares = (
        load_results("counting").groupby(["activation", "d", "rank", "ratio"])["recovered"].mean().unstack()
    )
    first = (shares >= 0.5).iloc[:, ::-1].cummin(axis=1).iloc[:, ::-1].idxmax(axis=1)
    linear, even = first["tanh"], first["cosine"]
    assert (even.min(), even.max()) == (4, 6)
    return (f"from {linear.min()} to {linear.max()} outputs", "from four to six on")


@pytest.mark.parametrize(
    ("page", "numbers"),
    [
        ("one_diagram", recovery),
        ("several_heads", normaliser_cost),
        ("bands", coverage),
        ("bands", planning),
        ("fish", fish),
        ("real_head", head),
    ],
)
def test_what_is_to_be_kept_is_what_the_table_says(page, numbers):
    for words in numbers():
        assert words in in_short(page), words


def test_trainings_are_counted_as_the_table_counts_them():
    table = load_results("adam")
    key = ["units", "n_samples", "replicate"]
    minimiser = table[table["estimator"] == "erm"].set_index(key)["error"]
    trained = table[(table["estimator"] == "adam") & (table["budget"] == table["budget"].max())].set_index(
        key
    )
    ratio = trained["error"] / minimiser.reindex(trained.index)
    words = f"in {(ratio <= 2).sum()} of {len(ratio)} runs, within a tenth of it in {(ratio <= 1.1).sum()}"
    assert words in " ".join((BOOK / "does_adam_get_there.md").read_text(encoding="utf-8").split())


def body(page):
    """Return the text of a page, on one line."""
    return " ".join((BOOK / f"{page}.md").read_text(encoding="utf-8").split())


def test_what_is_said_of_fits_with_little_text():
    table, page = load_results("whole_layer"), body("whole_layer")
    fits = table[table["kind"] == "fit"]
    near = fits[fits["task"] == "near"].set_index("n_samples")
    first = near.loc[near.index.min()]
    assert first["in_sample"] < 1e-8 and 0.5e5 < first["error"] / first["in_sample"] < 2e5
    assert "below $10^{-8}$ already, while that on other windows is a hundred thousand times larger" in page
    cold = fits[(fits["task"] == "cold") & (fits["n_samples"] == 16)].iloc[0]
    assert 0.5e-4 < cold["in_sample"] < 2e-4 and cold["error"] > 1
    assert "explains its own windows to one part in ten thousand and knows nothing of others" in page
    counts = table[(table["kind"] == "count") & (table["found"] == table["p"])]
    assert 0.5e-4 < counts["above"].max() < 2e-4 and counts["above"].min() < 1e-6
    assert "a ten-thousandth of the largest at best, and less than a millionth at worst" in page
    sharp = table[table["kind"] == "attention"].set_index(["layer", "head"])["largest"]
    assert 2e-4 < 1 - sharp.loc[(0, 2)] < 9e-4 and sharp.drop((0, 2)).max() < 0.9
    assert "a few parts in ten thousand" in page and "No other head comes near" in page


def test_what_is_said_of_learned_values():
    table, page = load_results("whole_layer"), body("whole_layer")
    learned = table[(table["kind"] == "fit") & (table["task"] == "values")].set_index(["layer", "head"])
    known = load_results("head_recovery")
    known = known[(known["kind"] == "fit") & (known["task"] == "exp") & (known["rank"] == 32)]
    known = known[(known["noise"] == 0.1) & (known["n_samples"] == 128)].set_index(["layer", "head"])
    ratio = learned["error"] / known["error"]
    assert f"{ratio.min():.1f} to {ratio.max():.1f} times that with known values" in page
    counts = (learned["p"] / 23_520).unique()
    assert len(counts) == 1 and f"where the counts have the ratio {counts[0]:.1f}" in page
    assert (
        abs(learned["in_sample"] / learned["law"] - 1) < 0.1
    ).all() and "within a tenth of the law" in page


def test_what_is_said_of_polynomials():
    table, page = load_results("polynomial_attention"), body("polynomial_attention")
    # The first draw of training windows, on text like that of the fit.
    text = table[(table["kind"] == "text") & (table["reads"] == "other") & (table["replicate"] == 0)]
    text = text.drop_duplicates(["method", "rank", "degree"]).set_index(["method", "rank", "degree"])
    loss, features = 1 - text["cosine"], text["features"]
    assert loss["fitted", 4, 4] < loss["fitted", 32, 2]
    assert features["fitted", 4, 4] < features["fitted", 32, 2] and "with a fraction of the features" in page
    for degree in (1, 2, 3):
        assert loss["fitted", 32, degree] < loss["taylor", 32, degree + 1]
    assert (
        abs(loss["fitted", 8, 2] - loss["fitted", 32, 2]) < 0.01
        and "ranks above $8$ buy next to nothing" in page
    )
    assert loss["fitted", 32, 4] < loss["shared", 32, 4] < loss["taylor", 32, 4]
    assert 1.7 < loss["positive", 32, 4] / loss["fitted", 32, 4] < 2.3
    assert "about twice the loss for quartics" in in_short("polynomial_attention")
    assert loss.drop(index=[("positive", 32, 6)]).min() > loss["positive", 32, 6]
    short = table[(table["kind"] == "text") & (table["reads"] == "short") & (table["degree"] == 4)]
    near = short.drop_duplicates("method").set_index("method")["cosine"]
    assert near["positive"] > near["taylor"] > near["fitted"] > 0
    assert loss["centred", 32, 4] > loss["uniform", 32, 0] and "is worse than uniform attention" in page


def test_what_is_said_of_the_price_of_not_knowing():
    from pairint.experiments.minimax.adaptation import price_table

    table, page = load_results("adaptation"), body("price_of_not_knowing")
    prices = price_table(table, ["beta"])
    both = prices[prices["estimator"] == "auto"]
    whole = price_table(table.assign(all="all"), ["all"]).set_index("estimator")["ratio"]
    assert "Choosing both costs about a tenth on the average" in page and 1.05 < whole["auto"] < 1.15
    assert "less than a fifth at each" in page and both["ratio"].max() < 1.2
    assert "for two of the six the interval contains one" in page
    assert len(both) == 6 and ((both["low"] <= 1) & (both["high"] >= 1)).sum() == 2
    sizes = table["n_samples"]
    assert "over a decade and a half" in page and 1.25 < np.log10(sizes.max() / sizes.min()) < 1.75
    rough = table[table["beta"] == 0.5].set_index("estimator")["chosen_rank"]
    assert "a rank above two was chosen in more than half of all cases" in page
    assert (rough["auto_rank"] > 2).mean() > 0.5
    assert "the wrong rank was chosen there once in eight" in page
    assert (rough["auto"] != 2).mean() == pytest.approx(1 / 8, abs=0.01)


def test_what_is_said_of_starts_near_the_truth():
    valleys = measurement("random_problems")["valleys"]
    assert "Most starts within about half the matrix's norm come back." in body("estimator")
    for size in ("0.2", "0.4", "0.6"):
        returned = [row["returned"][size] / row["draws"] for row in valleys]
        assert min(returned) > 0.5, size
    assert sum(row["reached"] for row in valleys) < 0.01 * sum(row["starts"] for row in valleys)


def test_what_is_said_of_conditions_in_context():
    from pairint.theory.rates import samples_for_rank

    page = body("context")
    assert "between $10^5$ and $10^6$ at $\\beta = 1$ and half a billion at $\\beta = 2$" in page
    assert 1e5 < samples_for_rank(30, 1.0) < 1e6
    assert round(samples_for_rank(30, 2.0) / 1e9, 1) == 0.5
    curve, matrix = 1e5 ** (-4 / 5), 30 / 1e5
    mean = -(0.8 * curve + matrix) / (curve + matrix)
    assert f"${mean:.2f}$ and not" in page and f"${matrix / 1e-4:.0f} \\cdot 10^{{-4}}$" in page


def test_what_is_said_of_the_poorest_heads():
    table, page = load_results("whole_layer"), body("whole_layer")
    fits = table[(table["kind"] == "fit") & (table["task"] == "heads") & (table["n_samples"] == 128)]
    fits = fits[fits["max_iter"] == 20].set_index(["layer", "head"])
    over = (fits["error"] / fits["law"]).sort_values()
    assert over.index.is_unique
    sharp = table[table["kind"] == "attention"].set_index(["layer", "head"])["largest"].sort_values()
    assert set(over.index[-5:]) == set(sharp.index[-5:])
    assert "these five are the five worst of the table" in page
    assert "the five sharpest heads are the five that lie more than a hundred times above the law" in page
    assert over.iloc[-5] > 100 > over.iloc[-6]
    longer = table[(table["kind"] == "fit") & (table["max_iter"] == 60)]
    own = longer.set_index(["layer", "head"])["in_sample"] / longer.set_index(["layer", "head"])["law"]
    poorest = (longer.set_index(["layer", "head"])["error"]).nlargest(2).index
    # "Most lie near the law, the two poorest rest well above it".
    assert own.drop(poorest).max() < own[poorest].min() and own.drop(poorest).max() < 4 / 3


def test_what_is_said_of_published_series():
    from pairint.experiments.aim import published

    table, page = published.comparison_table(published.load_comparison()), body("aim_published")
    softmax = table[table["kind"] == "SE_softmax"]
    assert 0.5e-4 < softmax["median"].median() < 2e-4
    assert (
        f"one part in ten thousand in the median and {softmax['largest'].abs().max():.1%} at worst".replace(
            "%", " %"
        )
        in (page)
    )
    density = table[table["kind"].str.startswith("SE_hardmax") & (table["reference"] == "density")]["median"]
    assert 1 / 25_000 < density.min() < 1 / 18_000 and 0.008 < density.max() < 0.012
    assert "to between one part in twenty thousand and one in a hundred in the median" in page
    two, three, four = table[table["kind"] == "AMP_softmax"].sort_values("n_tokens")["median"]
    assert (round(100 * two), round(100 * three), round(100 * four)) == (8, 1, 6)
    assert "by 8 % in the median for two tokens (one and six percent for three and four" in page
    single, averaged = (table[table["kind"] == kind]["median"] for kind in ("GD_single", "GD_averaged"))
    words = f"{1 + single.min():.1f} to {1 + single.max():.1f} times the Bayes-optimal error in the median"
    assert page.count(words) == 2
    assert averaged.between(0.075, 0.125).all() and "the mean of 32 about a tenth more than it" in page
    dots = table[table["kind"] == "AMP_hardmax"]
    curve, derivative = (dots[dots["reference"] == name] for name in ("published curve", "derivative"))
    near, far = 100 * curve["median"], 100 * curve["largest"].max()
    words = f"within {near.min():.1f} to {near.max():.0f} % in the median, and are up to {far:.0f} % above it"
    assert words in page
    factors = 1 + derivative["median"]
    assert f"by factors of {factors.min():.1f} to {factors.max():.0f} in the median" in page


def test_what_is_said_of_real_heads():
    from pairint.figures.real_head import coercivity_means

    page, heads = body("real_head"), coercivity_means(load_results("heads_coercivity"))
    assert (heads["window"] < 2 / 3).mean() == 0.5 and (heads["window"] < 0.1).any()
    assert "half of the heads lose a third of their coercivity, some lose nearly all" in page
    near, far = heads[heads["offset"] < 0.5]["inside"], heads[heads["offset"] >= 0.5]["inside"]
    assert (near > 0.95).mean() > 0.9 and f"a few down to {near.min():.2f}" in page
    assert 0.4 < (far < 0.9).mean() < 0.65 and f"down to {far.min():.2f}" in page


def test_what_is_said_of_fish_run_backwards():
    table, page = load_results("fish"), body("fish")
    kernel = table[(table["kind"] == "kernel") & (table["what"] == "position") & (table["at"] == 2.0)]
    kernel = kernel[(kernel["data"] == "trajectorytools") & (kernel["ahead"] == 13)].set_index("control")
    assert 0.4 < kernel["value"]["reversed"] / kernel["value"]["none"] < 0.6
    assert "repulsion at two nearest-neighbour distances is about half as strong" in page


def test_what_is_said_of_counts_and_of_plans():
    counting, page = load_results("counting"), body("one_diagram")
    first = counting[
        (counting["activation"] == "tanh") & (counting["rank"] == 1) & (counting["ratio"] == 1.2)
    ]
    found = first.groupby("d")["recovered"].agg(["sum", "size"])
    assert found["sum"].tolist()[:: len(found) - 1] == [12, 1] and set(found["size"]) == {12}
    assert found["sum"].is_monotonic_decreasing
    assert "At 1.2, rank one, the share falls with the dimension, from twelve of twelve to one" in page
    planning = load_results("planning")
    quarter = planning[(planning["part"] < 1) & planning["case"].str.startswith("tanh")]
    ratios = quarter.groupby("case")["ratio"].mean()
    assert 3.75 < ratios.min() < 4.25 and 5.25 < ratios.max() < 5.75
    assert "counted plans miss by a factor of four to five and a half" in body("bands")


def test_what_is_said_of_the_best_time_to_watch():
    table, page = load_results("clustering"), body("when_to_watch")
    price = table[table["law"] == "sphere"].groupby(["beta", "time"])["price"].median().unstack(0)
    least = price.min() / price.loc[0]
    assert least[1.0] < 0.5 and least[4.0] < 0.5 and round(10 * least[9.0]) == 6
    assert "to less than half for beta 1 and 4 and to about six tenths for beta 9" in page
    assert price.idxmin()[1.0] == 5 and (price.idxmin()[[4.0, 9.0]] > 5).all()
    assert "has a minimum near time five for beta 1 and later for the others" in page


def test_what_is_said_of_averaged_descent():
    table, page = load_results("aim_tokens"), body("aim_experiments")
    errors = table[table["estimator"].isin(["gd", "averaged gd"])].copy()
    errors["ratio"] = errors["error"] / errors["bayes_finite"]
    mean = errors.groupby(["n_tokens", "alpha", "estimator"])["ratio"].mean().unstack()
    runs = int(table.loc[table["estimator"] == "averaged gd", "n_runs"].iloc[0])
    left = mean["averaged gd"] - (mean["gd"] - mean["averaged gd"]) / (runs - 1)
    first = left.groupby("n_tokens").first()
    last = left.groupby("n_tokens").last()
    assert first.between(1.035, 1.105).all() and "within 10 % in ours" in page
    assert last.between(1.2, 1.45).all() and "about a third at four fifths of the threshold" in page
