from __future__ import annotations

import pytest

from registry.errors import UserError
from uss_plugins.labels.audioset import AudioSetClass, classes, find_class
from uss_plugins.labels.lookup import find_in


def test_there_are_527_classes_at_the_positions_of_their_indices() -> None:
    known = classes()
    assert [one.index for one in known] == list(range(527))
    assert len({one.machine_id for one in known}) == 527
    assert len({one.name for one in known}) == 527


@pytest.mark.parametrize(
    ("index", "machine_id", "name"),
    [
        (0, "/m/09x0r", "Speech"),
        (1, "/m/05zppz", "Male speech, man speaking"),
        (72, "/m/0jbk", "Animal"),
        (137, "/m/04rlf", "Music"),
        (396, "/m/03kmc9", "Siren"),
        (433, "/g/122z_qxw", "Firecracker"),
        (526, "/m/07hvw1", "Field recording"),
    ],
)
def test_classes_are_those_of_audioset(index: int, machine_id: str, name: str) -> None:
    assert classes()[index] == AudioSetClass(index, machine_id, name)


@pytest.mark.parametrize(
    "text", ["Violin, fiddle", " violin, FIDDLE ", "/M/07Y_7", "191", 191, "violin"]
)
def test_a_class_is_found_by_name_id_index_and_head(text: str | int) -> None:
    assert find_class(text) == AudioSetClass(191, "/m/07y_7", "Violin, fiddle")


def test_every_class_is_found_by_each_of_its_names() -> None:
    for one in classes():
        assert find_class(one.name.upper()) == one
        assert find_class(one.machine_id) == one


def test_a_misspelt_class_names_the_nearest_on_one_line() -> None:
    with pytest.raises(UserError) as error:
        find_class("Speach")
    assert "'Speach'" in str(error.value)
    assert "Speech" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["527", "-1", "", "  ", ","])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(UserError):
        find_class(text)


def test_a_whole_name_wins_over_a_head_and_an_ambiguous_head_is_refused() -> None:
    names = ["Wind, storm", "Wind", "Horn, car", "Horn, train"]
    assert find_in(names, [], "wind") == 1
    with pytest.raises(UserError, match=r"Horn, car \(index 2\); Horn, train \(index 3\)"):
        find_in(names, [], "horn")


def test_a_class_that_is_named_by_digits_is_found_by_its_name() -> None:
    assert find_in(["one", "0"], ["a", "b"], "0") == 1


def test_classes_without_ids_do_not_answer_to_the_empty_text() -> None:
    with pytest.raises(UserError):
        find_in(["one", "two"], ["", ""], "")
