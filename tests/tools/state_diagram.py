"""Draws the state machine from its table: `python -m tests.tools.state_diagram` writes the page."""

from pathlib import Path

from domain.lifecycle import ENDS, NEXT_STEP, TRANSITIONS, State

PAGE = Path(__file__).parents[2] / "docs" / "state-machine.md"

_FRAME = """# The state machine of a run

Drawn from the table in `domain/lifecycle.py` by `python -m tests.tools.state_diagram`; a test compares.

```mermaid
stateDiagram-v2
    [*] --> REQUESTED
{arrows}
```

| state | next step |
|---|---|
{rows}
"""


def page() -> str:
    """Return the page as it must stand in the documents."""
    arrows = [f"    {was} --> {to}: {outcome.value}" for (was, outcome), to in TRANSITIONS.items()]
    arrows += [f"    {state} --> [*]" for state in State if state in ENDS]
    rows = [f"| {state} | {NEXT_STEP.get(state, 'none: an end')} |" for state in State]
    return _FRAME.format(arrows="\n".join(arrows), rows="\n".join(rows))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
