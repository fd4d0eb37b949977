"""Splits by glass, from names or from `splits.json`."""

import json

import pytest

from tf_symgnn import names
from tf_symgnn.data import InputError, read_glasses, write_glasses
from tf_symgnn.data.splits import split_names


def test_split_of_the_published_names():
    stems = ["test0", "test1", *(f"train{i}" for i in (3, 0, 6, 1, 2, 5, 4))]
    assert split_names(stems) == {
        "train": [f"train{i}" for i in range(6)],
        "validation": ["train6"],
        "test": ["test0", "test1"],
    }


@pytest.mark.parametrize(
    ("stems", "train", "validation", "test"),
    [
        ([], [], [], []),
        (["a"], ["a"], [], []),
        (["glass10", "glass9", "glass1"], ["glass1", "glass9"], ["glass10"], []),
        (["validation", "a", "b", "val2"], ["a", "b"], ["val2", "validation"], []),
        (["test10", "test9", "a"], ["a"], [], ["test9", "test10"]),
        (["contest", "interval"], ["contest"], ["interval"], []),
        (["1a", "a1", "a", "01a"], ["1a", "01a", "a"], ["a1"], []),
    ],
)
def test_split_by_name(stems, train, validation, test):
    assert split_names(stems) == {"train": train, "validation": validation, "test": test}


@pytest.fixture
def folder(tmp_path, make_glass):
    for stem in ("a1", "a2", "a10", "test0"):
        write_glasses(tmp_path / f"{stem}.xyz", [make_glass()])
    (tmp_path / "notes.txt").write_text("not a structure")
    (tmp_path / ".hidden.xyz").write_text("not a structure")
    (tmp_path / "folder.xyz").mkdir()
    return tmp_path


def _names(splits):
    assert tuple(splits) == names.SPLITS
    return {split: [glass.name for glass in glasses] for split, glasses in splits.items()}


def test_folder_is_split_by_names(folder):
    splits = read_glasses(folder)
    assert _names(splits) == {"train": ["a1", "a2"], "validation": ["a10"], "test": ["test0"]}
    assert splits["train"][0].barrier is not None


def test_folder_is_split_by_its_splits_file(folder):
    (folder / "splits.json").write_text(json.dumps({"train": ["test0", "a1"], "test": ["a10"]}))
    assert _names(read_glasses(folder)) == {"train": ["test0", "a1"], "validation": [], "test": ["a10"]}


def test_frames_of_one_file_stay_together(folder, make_glass):
    write_glasses(folder / "a10.xyz", [make_glass(), make_glass()], overwrite=True)
    assert _names(read_glasses(folder))["validation"] == ["a10-0", "a10-1"]


def test_frames_of_a_single_file_are_split_by_names(folder, make_glass):
    assert _names(read_glasses(folder / "a1.xyz")) == {"train": ["a1"], "validation": [], "test": []}
    assert _names(read_glasses(str(folder / "test0.xyz"))) == {"train": [], "validation": [], "test": ["test0"]}
    write_glasses(folder / "run.xyz", [make_glass()] * 3)
    assert _names(read_glasses(folder / "run.xyz")) == {
        "train": ["run-0", "run-1"],
        "validation": ["run-2"],
        "test": [],
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "content: found JSONDecodeError"),
        ("[1]", "splits: found list"),
        ('{"train": [], "holdout": []}', "splits: found train, holdout"),
        ('{"train": "a1"}', "train: found .*expected a list of file stems"),
        ('{"train": [1]}', "train: found .*expected a list of file stems"),
        ('{"train": ["a1", "b1"]}', "train: found b1, expected the stem"),
        ('{"train": ["a1.xyz"]}', "train: found a1.xyz, expected the stem"),
        ('{"train": ["a1"], "test": ["a1"]}', "test: found a1, also in train"),
        ('{"train": ["a1", "a1"]}', "train: found a1, also in train"),
    ],
)
def test_invalid_splits_files_are_refused(folder, content, message):
    (folder / "splits.json").write_text(content)
    with pytest.raises(InputError, match=f"splits.json: {message}"):
        read_glasses(folder)


def test_invalid_folders_are_refused(folder, tmp_path, make_glass):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: folder: found no structure file"):
        read_glasses(tmp_path / "empty")
    with pytest.raises(InputError, match="none: file: found No such file"):
        read_glasses(tmp_path / "none")
    write_glasses(folder / "a1.npz", [make_glass()])
    with pytest.raises(InputError, match="a1: found a1.npz and a1.xyz, expected one file a stem"):
        read_glasses(folder)


def test_two_glasses_with_one_name_are_refused(tmp_path, make_glass):
    write_glasses(tmp_path / "a.xyz", [make_glass()] * 2)
    write_glasses(tmp_path / "a-1.npz", [make_glass()])
    with pytest.raises(InputError, match="names: found a-1 twice, expected one glass a name"):
        read_glasses(tmp_path)


def test_arguments_are_passed_to_the_readers(folder):
    with pytest.raises(InputError, match="eb: found no such column"):
        read_glasses(folder, label="eb")
