"""The reader of the authors' data, on a made-up clone; what is stored of the comparison with the true one."""

import json
import math
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from pairint.aim.channels import PublishedHardmaxChannel
from pairint.aim.state_evolution import small_width_limit, state_evolution
from pairint.cli import main
from pairint.engine.store import ResultsError
from pairint.experiments.aim import published

#: What the made-up data are, times our own curves.
FACTOR = {"SE_softmax": 1.01, "SE_hardmax": 0.98, "SE_hardmax_rescaled": 1.0, "AMP_hardmax": 1.1}
FACTOR |= {"AMP_softmax": 1.03, "GD_single": 2.0, "GD_averaged": 1.0}
ALPHA = np.array([0.02, 0.06, 0.1, 0.14, 0.16, 0.18])


def ours(kind, alpha, rho, d=None):
    channel = "softmax" if "softmax" in kind or kind.startswith("GD") else PublishedHardmaxChannel()
    if rho == 0:
        return small_width_limit(alpha, channel)
    return state_evolution(alpha / (1 + 1 / d if d else 1), rho, channel).mmse


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A folder as the authors have it: a series of each kind, the curves as multiples of ours."""
    root = tmp_path_factory.mktemp("clone")
    wide = np.array([0.1, 0.5, 0.6, 1.0, 3.0, 10.0])
    series = {
        "SE_softmax/SE_softmax_T=2_rho=0.5.csv": (ALPHA, 0.5, None),
        "SE_hardmax/SE_hardmax_rho=0.5.csv": (wide, 0.5, None),
        "SE_hardmax_rescaled/SE_hardmax_rescaled_rho=0.csv": (wide, 0.0, None),
        "AMP_hardmax/AMP_hardmax_rho=0.5.csv": (wide[:4], 0.5, None),
        "AMP_softmax/AMP_softmax_T=2_rho=0.5.csv": (ALPHA[:-1], 0.5, 100),
        "GD_single/GD_softmax_D=200_rho=0.5_T=2.csv": (ALPHA, 0.5, 200),
        "GD_averaged/GD_softmax_D=200_rho=0.5_T=2_averages=32.csv": (ALPHA, 0.5, 200),
    }
    for name, (alpha, rho, d) in series.items():
        kind = name.split("/")[0]
        path = root / "data" / name
        path.parent.mkdir(parents=True)
        error = FACTOR[kind] * np.asarray(ours(kind, alpha, rho, d))
        pd.DataFrame({"alpha": alpha, "mmse": error}).to_csv(path)
    (root / "data" / "SE_softmax" / "notes.csv").write_text("no series\n")
    return root


@pytest.fixture(scope="module")
def comparison(clone):
    return published.compare(clone)


def test_what_is_read(clone):
    found = {series.file: series for series in published.read_series(clone / "data")}
    assert len(found) == 7
    mean = found["GD_averaged/GD_softmax_D=200_rho=0.5_T=2_averages=32.csv"]
    assert (mean.kind, mean.rho, mean.n_tokens, mean.d, mean.n_runs) == ("GD_averaged", 0.5, 2, 200, 32)
    dots = found["AMP_hardmax/AMP_hardmax_rho=0.5.csv"]
    assert (dots.d, dots.n_tokens) == (100, 2) and re.fullmatch("[0-9a-f]{64}", dots.sha256)
    assert found["SE_hardmax_rescaled/SE_hardmax_rescaled_rho=0.csv"].rho == 0


def test_factors_are_found(comparison):
    """A mistake in which curve, which scale or which dimension would show."""
    found = {(row["kind"], row["reference"]): row for row in comparison["series"]}
    for kind, reference in (
        ("SE_softmax", "softmax"),
        ("SE_hardmax", "density"),
        ("SE_hardmax_rescaled", "density"),
        ("AMP_softmax", "softmax at finite d"),
        ("GD_single", "softmax at finite d"),
    ):
        row = found[kind, reference]
        assert row["mean"] == pytest.approx(FACTOR[kind] - 1, abs=1e-4)
        assert row["median"] == pytest.approx(abs(FACTOR[kind] - 1), abs=1e-4)
    assert found["SE_hardmax", "derivative"]["largest"] > 1
    dots = found["AMP_hardmax", "published curve"]  # over the published curve, not over ours
    assert dots["mean"] == pytest.approx(1.1 / 0.98 - 1, abs=1e-4) and dots["points"] == 4


def test_single_readings(comparison):
    readings = comparison["readings"]
    assert readings["weak_recovery"] == 0.6  # the first sample ratio at which the error leaves one
    one = 0.98 * float(ours("SE_hardmax", 1.0, 0.5))
    assert readings["hardmax_error_rho_0.5_alpha_1"] == pytest.approx(one, rel=1e-4)
    ends = [float(ours("SE_hardmax", alpha, 0.5)) for alpha in (3.0, 10.0)]
    slope = math.log(ends[1] / ends[0]) / math.log(10 / 3)
    assert readings["hardmax_slope_rho_0.5_alpha_3_to_10"] == pytest.approx(slope, rel=1e-3)


def test_infinitely_many_runs(comparison):
    """Runs of errors 2 and 1 over the Bayes-optimal one, in the mean of 32, leave 1 - 1/31."""
    assert len(comparison["descent"]) == 3
    for point in comparison["descent"]:
        assert point["one_run"] == pytest.approx(2) and point["mean_of_runs"] == pytest.approx(1)
        assert point["infinitely_many"] == pytest.approx(1 - 1 / 31, abs=1e-4)
        assert point["infinitely_many_between"] < 1e-6  # constant ratios: nothing to interpolate
    v, e = 0.7, 0.4
    assert published.recovered_runs(e + v, e + v / 5, 5) == pytest.approx(e)


def test_near_recovery(comparison):
    """At 0.18, of a threshold of 0.1875, the made-up error is a percent too large."""
    (near,) = comparison["near_recovery"]
    gap = 0.01 * float(ours("SE_softmax", 0.18, 0.5))
    assert near == {"rho": 0.5, "points": 1, "largest_difference": pytest.approx(gap, rel=1e-3)}


def test_it_can_be_kept(comparison):
    assert json.loads(published.to_json(comparison)) == comparison
    assert published.REPOSITORY in published.to_text(comparison)


@pytest.mark.slow
def test_commit_of_a_clone(clone, tmp_path):
    assert published.compare(clone)["source"]["commit"] is None
    if shutil.which("git") is None:
        pytest.skip("Git is not installed")
    repository = tmp_path / "repository"
    shutil.copytree(clone, repository)
    git = ["git", "-C", str(repository), "-c", "user.name=n", "-c", "user.email=e@invalid"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "data"]):
        subprocess.run([*git, *command], check=True)
    assert re.fullmatch("[0-9a-f]{40}", published.compare(repository)["source"]["commit"])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: shutil.rmtree(root / "data" / "GD_single"), "holds no GD_single: name a clone of"),
        (lambda root: shutil.rmtree(root / "data"), "holds no SE_softmax"),
        (lambda root: [p.unlink() for p in (root / "data" / "AMP_hardmax").iterdir()], "holds none of the"),
        (lambda root: one(root).write_text("alpha,error\n1,2\n2,1\n"), "has no column 'mmse'"),
        (lambda root: one(root).write_text("alpha,mmse\n1,x\n2,1\n"), "cannot be read"),
        (lambda root: one(root).write_text("alpha,mmse\n1,nan\n2,1\n"), "must hold two or more finite"),
        (lambda root: one(root).write_text("alpha,mmse\n-1,1\n2,1\n"), "must hold two or more finite"),
        (lambda root: one(root).write_text("alpha,mmse\n1,1\n"), "must hold two or more finite"),
        (lambda root: one(root).write_text(""), "cannot be read"),
    ],
)
def test_damaged_clones(clone, tmp_path, damage, message, capsys):
    root = tmp_path / "damaged"
    shutil.copytree(clone, root)
    damage(root)
    with pytest.raises(ResultsError, match=message):
        published.read_series(root)
    assert main(["published", "--from", str(root)]) == 3
    assert re.search(message, capsys.readouterr().err)


def one(root):
    return root / "data" / "SE_hardmax" / "SE_hardmax_rho=0.5.csv"


@pytest.mark.slow
def test_command(clone, tmp_path, capsys):
    assert main(["published"]) == 0
    assert published.COMMIT in capsys.readouterr().out
    target = tmp_path / "comparison.json"
    assert main(["published", "--from", str(clone), "--json", "--out", str(target)]) == 0
    assert "not the files of commit" in capsys.readouterr().err
    assert json.loads(target.read_text()) == published.compare(clone)


class TestStored:
    """What is stored says what the page says."""

    stored = published.load_comparison()

    def test_it_is_about_the_commit_that_is_named(self):
        assert self.stored["source"] == {"repository": published.REPOSITORY, "commit": published.COMMIT}
        assert len(self.stored["files"]) == 37
        assert all(re.fullmatch("[0-9a-f]{64}", checksum) for checksum in self.stored["files"].values())

    def test_softmax_curves_agree(self):
        rows = [row for row in self.stored["series"] if row["kind"] == "SE_softmax"]
        assert len(rows) == 6 and max(row["median"] for row in rows) < 1.2e-4

    def test_hardmax_curves_are_the_density(self):
        for reference, agrees in (("density", True), ("derivative", False)):
            rows = [
                row
                for row in self.stored["series"]
                if row["kind"].startswith("SE_hardmax") and row["reference"] == reference
            ]
            assert len(rows) == 13
            assert all((abs(row["largest"]) < 0.15) == agrees for row in rows)

    def test_no_published_point_is_kept(self):
        """Records of series and a few interpolated numbers, no list of values."""
        text = json.dumps(self.stored["series"])
        assert len(self.stored["series"]) <= 60 and "[" not in text[1:-1]
