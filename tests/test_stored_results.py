"""The tables in ``book/results``: untouched, of the present versions, and the same when computed again."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from pairint import experiments, provenance, sweep
from pairint.results import cell_id, load_provenance, load_results, results_folder, stored_names

STORED = stored_names()
BUDGET = 3.0  # seconds of recorded computing time per experiment
needs_results = pytest.mark.skipif(not STORED, reason="no results are stored yet")


@needs_results
def test_total_size():
    assert sum(path.stat().st_size for path in results_folder().rglob("*") if path.is_file()) < 20e6


@pytest.mark.parametrize("name", STORED)
class TestStored:
    def test_it_is_whole_and_of_the_present_version(self, name):
        record = load_provenance(name)
        table = load_results(name)
        experiment = experiments.get(name)
        assert record["version"] == experiment.version, "run the experiment again, or restore its version"
        assert record["root_seed"] == sweep.ROOT_SEED
        assert len(table) == record["rows"]
        cells = experiment.cells(record["settings"])
        ids = [cell_id(name, experiment.version, cell) for cell in cells]
        assert list(dict.fromkeys(table["cell"])) == ids == list(record["cell_seconds"])

    def test_figure_and_claims_come_from_the_table(self, name):
        experiment = experiments.get(name)
        table = load_results(name)
        assert experiment.plot(table).axes
        assert all(claim.ours is None or np.isfinite(claim.ours) for claim in experiment.claims(table))

    def test_a_random_handful_of_cells_computed_again(self, name):
        experiment = experiments.get(name)
        record = load_provenance(name)
        stored = load_results(name)
        cells = {cell_id(name, experiment.version, c): c for c in experiment.cells(record["settings"])}
        seconds = record["cell_seconds"]
        order = np.random.default_rng(len(cells)).permutation(list(cells))
        chosen, spent = [], 0.0
        for key in order:
            if len(chosen) < 5 and spent + seconds[key] <= BUDGET:
                chosen.append(key)
                spent += seconds[key]
        chosen = chosen or [min(seconds, key=seconds.get)]
        part = dataclasses.replace(experiment, cells=lambda settings: [cells[key] for key in chosen])
        outcome = sweep.execute(part, record["preset"])
        missing = [error for _, error in outcome.failures if "ModuleNotFoundError" in error]
        if missing:
            pytest.skip(missing[0].strip().splitlines()[-1])
        assert not outcome.failures, outcome.failures[0][1]
        here = {key: provenance.environment()[key] for key in ("libraries", "machine")}
        there = [{key: other[key] for key in here} for other in record["environments"]]
        # To the last digit where it was computed; elsewhere other libraries round differently.
        tolerance = 0.0 if there == [here] else 1e-6
        again = outcome.table()
        for key in chosen:
            old = stored[stored["cell"] == key].reset_index(drop=True)
            new = again[again["cell"] == key].reset_index(drop=True)
            assert len(old) == len(new)
            for column in old.columns:
                if column == "seconds" or column.endswith("_seconds"):
                    continue
                where = json.dumps({"experiment": name, "cell": cells[key], "column": column})
                if old[column].isna().all():
                    assert column not in new or new[column].isna().all(), where
                elif pd.api.types.is_numeric_dtype(old[column]):
                    np.testing.assert_allclose(
                        new[column].astype(float), old[column].astype(float), rtol=tolerance, err_msg=where
                    )
                else:
                    assert new[column].astype(str).tolist() == old[column].astype(str).tolist(), where
