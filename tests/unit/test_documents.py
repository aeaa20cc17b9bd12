"""What the documents show is what the code says."""

from tests.tools import state_diagram


def test_the_state_diagram_is_drawn_from_the_table() -> None:
    assert state_diagram.PAGE.read_text(encoding="utf-8") == state_diagram.page(), (
        "the table changed: run `python -m tests.tools.state_diagram`"
    )
