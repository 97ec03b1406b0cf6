"""What is shown of a model."""

from modelmill.registry.events import Reproduced
from modelmill.registry.state import fold
from modelmill.registry.summary import describe, held_at, unchecked
from modelmill.registry.view import view
from modelmill.specs.registry import RegistrySpec
from tests.registry.stages import Memory, add, at, desk_in, promotion, registered

RENAMED = RegistrySpec.model_validate(
    {"stages": {"built": {}, "live": {"from": "built"}, "old": {"from": "live"}}, "retired": "old"}
)


def test_what_was_held_is_told_by_the_stages_of_that_time() -> None:
    """`registry.yml` has other stages by now: those that the events name are listed, and the retired one is not."""
    desk = desk_in(Memory())
    add(desk, 3)
    for version in (1, 2):
        desk.act("mood", promotion(desk.spec, version))
    found = view(desk, "mood")
    last = found.events[-1].time
    rows = {row["stage"]: row["version"] for row in held_at(found, RENAMED, last, unchecked)}
    assert rows == {"candidate": 3, "production": 2}


def test_what_was_held_is_a_beginning_of_the_ledger() -> None:
    """Up to the last event that is not younger than the time."""
    desk = desk_in(Memory())
    for version, hours in ((1, 0), (2, 2)):
        event = registered(version).model_copy(update={"time": at(hours)})
        desk.ledger("mood").transact(lambda _, event=event: event)
    found = view(desk, "mood")
    held = {hours: held_at(found, desk.spec, at(hours), unchecked) for hours in (-1, 0, 1, 2)}
    assert {hours: [row["version"] for row in rows] for hours, rows in held.items()} == {-1: [], 0: [1], 1: [1], 2: [2]}


def test_what_came_out_of_building_again_is_one_line() -> None:
    """With the first artifact that differed, if any."""
    state = fold([], RENAMED)
    same = Reproduced(actor="ann", version=1, verdict="identical", digest="d", first=None, differences=())
    other = same.model_copy(update={"verdict": "different", "first": "data/train"})
    assert describe(same, state) == "version 1 was built again: identical"
    assert describe(other, state) == "version 1 was built again: different, from data/train on"
