"""kedro: a session and its run for each training."""

from pathlib import Path
from typing import Final

from kedro.framework.project import configure_project
from kedro.framework.session import KedroSession

from bench.steps.answers import answer
from bench.steps.order import Request

_PROJECT: Final = Path(__file__).parent / "kedro_project"


def train(request: Request) -> float:
    """Run the pipeline as `kedro run` does, and wait for it."""
    with KedroSession.create(
        project_path=_PROJECT,
        conf_source=str(_PROJECT / "conf"),
        runtime_params={"request": request.values()},
        save_on_close=False,
    ) as session:
        given = session.run()
    error = given["promote"]
    return float(error.load() if hasattr(error, "load") else error)


if __name__ == "__main__":
    configure_project("bench.peers.kedro_project")
    answer(train)
