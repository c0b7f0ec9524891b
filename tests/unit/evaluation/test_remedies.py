"""What to do about recipes that did not learn: their diagnosis first."""

from tasks.evaluation.baselines import Constant
from tasks.evaluation.learning import Seen
from tasks.evaluation.recipe_results import RecipeResult
from tasks.evaluation.remedies import for_idle
from tasks.records.diagnosis import Diagnosis


def idle(name: str) -> RecipeResult:
    return RecipeResult(name, name, "sgd", "constant", 3, {}, {}, 1.0)


def test_a_diagnosis_says_what_to_do_and_the_loss_only_where_there_is_none() -> None:
    dead = Diagnosis(
        kind="dying_relu", confidence=0.9, figure=1.0, evidence={}, seen="Seen.", why="Why.", remedy="Lower the rate."
    )
    fell = Seen(epochs=5, first=3.0, last=2.5, moved=1.0)
    seen = dict.fromkeys(("wild", "wilder", "slow"), fell)
    said = list(
        for_idle(
            [idle("wild"), idle("wilder"), idle("slow")],
            seen,
            {"wild": dead, "wilder": dead},
            Constant(loss=2.3, accuracy=0.1),
        )
    )
    assert said == [
        "wild and wilder did not learn: dying ReLU. Lower the rate.",
        "Raise the learning rate of slow, or train longer: it did not learn, though the loss was falling.",
    ]
