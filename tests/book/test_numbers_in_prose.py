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
