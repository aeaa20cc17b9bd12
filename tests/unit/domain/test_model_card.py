"""The model card tells a person what was made of what, how good it is, and why it was promoted or not."""

from typing import Any

from domain.metrics import Score
from domain.model_card import ModelCard

DIGEST = "0" * 64
FACTS: dict[str, Any] = {
    "model_name": "price",
    "run_id": "run-1",
    "created_at": "2026-01-01T00:00:00Z",
    "versions": {"split_version": 1, "feature_version": 2, "model_version": 3},
    "model": {"type": "ridge", "params": {"alpha": 2}, "target_transform": "log1p"},
    "features": {
        "version": 2,
        "data_contract": 1,
        "tabular_features": {
            "size|m2": {"type": "numeric", "impute": "mean", "clip": [0, 9], "scaler": "standard"},
            "age": {"type": "numeric"},
            "grade": {"type": "categorical", "encoding": "ordinal", "order": ["low", "high"]},
        },
    },
    "target": "cost",
    "scores": {
        "train": {"metrics": {"rmsle": 0.1, "mae": 2, "r2": 0.9}, "dataset_digest": DIGEST, "rows": 800},
        "recent_1_year": {"metrics": {"mae": 3}, "dataset_digest": DIGEST, "rows": 1},
    },
}


def test_a_card_tells_versions_params_scores_and_features() -> None:
    page = ModelCard.model_validate(FACTS).markdown()
    assert page.startswith("# price: ridge\n")
    assert "split 1, features 2, model 3." in page
    assert "Params: alpha = 2. Target: log1p." in page
    assert "| train | 800 | 0.1 | 2 | 0.9 |" in page
    assert "| recent_1_year | 1 | no number | 3 | no number |" in page
    assert "| size\\|m2 | impute mean → clip to 0 … 9 → standard scaler |" in page
    assert "| age | unchanged |" in page
    assert "| grade | ordinal (low, high) |" in page


def test_what_is_not_known_has_no_section() -> None:
    page = ModelCard.model_validate(FACTS).markdown()
    assert not [title for title in ("Verdict", "Lineage", "Environment", "champion") if title in page]


def test_a_card_tells_the_verdict_the_champion_and_where_it_all_came_from() -> None:
    card = ModelCard.model_validate(
        {
            **FACTS,
            "champion_version": 4,
            "champion_score": Score(metrics={"mae": 5}, dataset_digest=DIGEST, rows=70),
            "verdict": {"decision": "DECLINE", "reasons": ["gain -1"]},
            "lineage": {"dvc_master_hash": "abc"},
            "environment": {"scikit-learn": "1.9.1"},
            "plots": ["residuals.png"],
        }
    )
    page = card.markdown()
    assert "**DECLINE**\n\n- gain -1" in page
    assert "| reference, champion (version 4) | 70 | no number | 5 | no number |" in page
    assert "| dvc_master_hash | abc |" in page
    assert "| scikit-learn | 1.9.1 |" in page
    assert page.endswith("![residuals.png](residuals.png)\n")
    assert page.startswith(card.head().rstrip("\n"))
    assert "**DECLINE**" in card.head()
    assert "scikit-learn" not in card.head()


BOLD, LINK, TAG = "*best*", "[here](https://evil.example)", "<b>x</b>"


def test_names_are_shown_on_a_card_and_never_taken_for_markup() -> None:
    """A column, a model or an allowed value may be called whatever a person likes."""
    card = ModelCard.model_validate(
        {
            **FACTS,
            "model_name": f"_{BOLD} {TAG}",
            "target": "co`st",
            "features": {
                **FACTS["features"],
                "tabular_features": {f"{LINK}|\na": {"type": "numeric"}, "__b__": {"type": "numeric"}},
            },
            "scores": {f"{TAG}_1": {"metrics": {"mae": 3}, "dataset_digest": DIGEST, "rows": 1}},
            "verdict": {"decision": "DECLINE", "reasons": [f"{BOLD} \n# {LINK}"]},
        }
    )
    page = card.markdown()
    assert page.startswith("# \\_\\*best\\* \\<b\\>x\\</b\\>: ridge\n")
    assert "Predicts `` co`st ``." in page
    assert "| \\[here\\](https\\://evil.example)\\| a | unchanged |" in page
    assert "| \\_\\_b\\_\\_ | unchanged |" in page
    assert "- \\*best\\* # \\[here\\](https\\://evil.example)" in page
    assert "| \\<b\\>x\\</b\\>\\_1 | 1 |" in page
