"""What every experiment with a stored table must do."""

import pytest
from pictures import check_complete

from pairint.experiments import get
from pairint.experiments.report import experiment_table


def refuses(name, change, message):
    """Check that a change of the quick settings is refused with a message."""
    experiment = get(name)
    with pytest.raises(ValueError, match=message):
        experiment.cells(dict(experiment.presets["quick"]) | change)


def is_drawn_and_judged(name):
    """Check that the stored table makes a complete picture, and claims."""
    experiment = get(name)
    table = experiment_table(experiment)[0]
    check_complete(experiment.plot(table), gaps=True)
    assert experiment.claims(table)
