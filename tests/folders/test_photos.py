"""Which photos are meant, and what their results are called."""

from pathlib import Path

import pytest

from marigold.folders.photos import find_photos, left_out, result_names


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name in ("b.JPG", "a.png", "deep/c.tif", "notes.txt", "._a.png"):
        (tmp_path / "in" / name).write_bytes(b"x")
    return tmp_path / "in"


def named(paths, root):
    return [path.relative_to(root).as_posix() for path in paths]


def test_a_folder_stands_for_the_photos_directly_in_it(folder):
    photos, failures = find_photos([str(folder)])
    assert named(photos, folder) == ["a.png", "b.JPG"] and failures == []


def test_a_pattern_stands_for_all_photos_that_match(folder):
    assert named(find_photos([str(folder / "*")])[0], folder) == ["a.png", "b.JPG"]
    assert named(find_photos([str(folder / "**" / "*")])[0], folder) == ["a.png", "b.JPG", "deep/c.tif"]


def test_a_file_whose_name_looks_like_a_pattern_is_itself(folder):
    (folder / "view[1].jpg").write_bytes(b"x")
    assert named(find_photos([str(folder / "view[1].jpg")])[0], folder) == ["view[1].jpg"]


def test_a_photo_named_twice_is_predicted_once(folder):
    photos, _ = find_photos([str(folder / "a.png"), str(folder), str(folder / "deep" / ".." / "a.png")])
    assert named(photos, folder) == ["a.png", "b.JPG"]


def test_a_name_without_photos_is_reported_and_the_others_count(folder):
    (folder / "empty").mkdir()
    photos, failures = find_photos([str(folder / "empty"), str(folder / "*.webp"), str(folder / "a.png")])
    assert named(photos, folder) == ["a.png"]
    assert "empty: no photo in this folder; put files" in failures[0]
    assert "*.webp: no photo matches this pattern; check" in failures[1]


def test_results_of_earlier_runs_are_no_photos_of_a_folder(folder):
    (folder / "a_depth_colored.png").write_bytes(b"x")
    (folder / "a_depth.json").write_text('{"files": ["a_depth_colored.png", "a_depth.json"]}')
    assert named(find_photos([str(folder)], folder)[0], folder) == ["a.png", "b.JPG"]
    assert named(find_photos([str(folder / "**" / "a*")], folder)[0], folder) == ["a.png"]
    assert named(find_photos([str(folder)], folder / "elsewhere")[0], folder)[:2] == ["a.png", "a_depth_colored.png"]


def test_a_result_that_is_named_itself_is_a_photo(folder):
    result = folder / "a.png"
    (folder / "a.json").write_text('{"files": ["a.png", "a.json"]}')
    assert find_photos([str(result)], folder) == ([result], [])


@pytest.mark.parametrize("content", ['{"files": ["a.png"]}', '{"files": 3}', "[]", "{", '{"files": [1, "other.json"]}'])
def test_json_of_other_kinds_hides_no_photo(folder, content):
    (folder / "other.json").write_text(content)
    assert named(find_photos([str(folder)], folder)[0], folder) == ["a.png", "b.JPG"]


def test_pictures_that_are_left_out_are_named_in_one_line(folder):
    for name in ("IMG_1.HEIC", "deep/b.nef", "c.jxl", "d.avif", "e.jfif", "d.xmp", ".hidden.heic"):
        (folder / name).write_bytes(b"x")
    (folder / "from_phone").write_bytes(b"\xff\xd8\xff\xe0")
    line = left_out([str(folder), str(folder / "**" / "*"), str(folder / "a.png")])
    for name in ("IMG_1.HEIC (a HEIC photo)", "b.nef (a raw file", "c.jxl (a JPEG XL", "from_phone (a photo without"):
        assert line.count(name) == 1
    assert line.startswith("left out") and "\n" not in line
    assert not any(name in line for name in ("d.avif", "e.jfif", "d.xmp", "notes.txt", "hidden", "a.png"))
    assert named(find_photos([str(folder)])[0], folder) == ["a.png", "b.JPG", "d.avif", "e.jfif"]


def test_many_pictures_that_are_left_out_are_counted(folder):
    for number in range(9):
        (folder / f"{number}.heic").write_bytes(b"x")
    line = left_out([str(folder)])
    assert "4.heic" in line and "5.heic" not in line
    assert line.endswith(" and 4 more (4 times a HEIC photo, .heic)")


def test_nothing_is_left_out_of_plain_folders_or_named_files(folder):
    (folder / "a.heic").write_bytes(b"x")
    (folder / "r.exr").write_bytes(b"x")
    (folder / "r.json").write_text('{"files": ["r.exr", "a.heic", "r.json"]}')
    assert left_out([str(folder)], folder) == "" and left_out([str(folder / "a.heic"), "nowhere"]) == ""


@pytest.mark.parametrize("name", ["https://example.org/p.jpg", "s3://bucket/[a]*.png", "file:///p.jpg"])
def test_an_address_is_a_failure_that_keeps_its_slashes(name):
    photos, failures = find_photos([name])
    assert photos == [] and failures[0].startswith(f"{name}: an address") and left_out([name]) == ""


def test_a_missing_file_is_kept_for_reading_to_complain_about():
    assert find_photos(["nowhere.jpg"]) == ([Path("nowhere.jpg")], [])


@pytest.mark.parametrize(
    ("photos", "names"),
    [
        (["x/a.jpg", "x/b.jpg"], ["a", "b"]),
        (["x/a.jpg", "x/a.png", "x/b.jpg"], ["a_jpg", "a_png", "b"]),
        (["x/A.jpg", "x/a.jpg"], ["A_jpg_1", "a_jpg_2"]),
        (["/p/x/a.jpg", "/p/y/a.jpg"], ["x_a_jpg", "y_a_jpg"]),
        (["/p/x/a.jpg", "/q/x/a.jpg"], ["p_x_a_jpg", "q_x_a_jpg"]),
        (["/p/a.jpg", "/p/a.png", "/p/a_png.jpg"], ["a_jpg", "p_a_png", "a_png_jpg"]),
        (["/p/no_ending"], ["no_ending"]),
    ],
)
def test_results_are_called_by_as_much_of_the_path_as_it_takes(photos, names):
    found = result_names([Path(photo) for photo in photos])
    assert len({name.casefold() for name in found}) == len(photos)
    assert found == names
