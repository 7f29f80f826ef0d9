"""Numbers that stand in sentences and cannot be computed there are those of the stored tables."""

import re
from pathlib import Path

import pytest

from pairint.experiments import load_results

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
