"""Which photos are meant, and what their results are called."""

import os
import socket
from pathlib import Path

import pytest

from marigold.core.errors import ImageError
from marigold.core.images import read_photo
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


@pytest.fixture
def strange(folder):
    """Beside the photos: a pipe, a socket, a link to a device and two that lead nowhere, all called like photos."""
    os.mkfifo(folder / "c.png")
    (folder / "d.png").symlink_to("/dev/zero")
    (folder / "e.png").symlink_to("e.png")
    (folder / "f.png").symlink_to("nowhere")
    with socket.socket(socket.AF_UNIX) as listener:
        before = os.getcwd()
        os.chdir(folder)  # the address of a socket has to be short
        listener.bind("g.png")
        os.chdir(before)
    (folder / "h.png").mkdir()
    return folder


STRANGE = {"c.png": "a pipe", "d.png": "a device", "e.png": "too many", "f.png": "no such file", "g.png": "a socket"}


@pytest.mark.parametrize("pattern", ["", "*", "**/*", "?.*"])
def test_what_is_no_file_keeps_its_turn_and_is_refused_when_it_is_read(strange, pattern):
    photos, failures = find_photos([str(strange / pattern)])
    assert failures == [] and [path for path in named(photos, strange) if "/" not in path] == [
        *("a.png", "b.JPG"),
        *STRANGE,
    ]
    for path in photos:
        if path.name in STRANGE:
            with pytest.raises(ImageError, match=rf"{path.name}: .*{STRANGE[path.name]}"):
                read_photo(path)
    assert left_out([str(strange / pattern)]) == ""


@pytest.mark.parametrize("links", [1, 3])
def test_links_in_circles_are_walked_once(folder, links):
    for number in range(links):
        (folder / "deep" / f"again{number}").symlink_to(folder)
        (folder / f"endless{number}").symlink_to(f"endless{number}")
    found, failures = find_photos([str(folder / "**" / "*")])
    assert named(found, folder) == ["a.png", "b.JPG", "deep/c.tif"] and failures == []
    assert named(find_photos([str(folder / "**" / "deep" / "**" / "*.tif")])[0], folder) == ["deep/c.tif"]


@pytest.mark.parametrize("pattern", ["**/*", "*/*", "*/c.tif", "**"])
def test_a_folder_that_cannot_be_listed_costs_itself_alone(folder, pattern, monkeypatch):
    (folder / "locked").mkdir()
    (folder / "locked" / "x.png").write_bytes(b"x")
    allowed = os.scandir

    def scandir(path):
        if os.path.basename(path) == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return allowed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    photos, failures = find_photos([str(folder / pattern)])
    assert "deep/c.tif" in named(photos, folder) and not any(path.name == "x.png" for path in photos)
    if pattern != "*/c.tif":  # where nothing but a name is looked up
        assert failures == [
            f"{folder / 'locked'}: this folder cannot be listed (permission denied); check its permissions"
        ]
    assert find_photos([str(folder / "locked")])[1][0].startswith(f"{folder / 'locked'}: this folder cannot be listed")


@pytest.mark.parametrize(
    "name", ["a\0b", "x" * 5000, "~nobody_at_all/x.png", "\ud800.png", "a\0[b]*", "x" * 5000 + "*"]
)
def test_what_can_be_no_name_is_a_file_or_matches_nothing(name):
    photos, failures = find_photos([name])
    assert len(photos) + len(failures) == 1
    for photo in photos:
        with pytest.raises(ImageError):
            read_photo(photo)
        assert result_names(photos)


def test_names_of_any_bytes_are_found_and_sorted(folder):
    names = [b"caf\xe9.png", b"a\nb.png", b"\x1b[2J.png"]
    for name in names:
        with open(os.path.join(os.fsencode(folder), name), "wb") as file:
            file.write(b"x")
    for pattern in ("", "*", "**"):
        found = [os.fsencode(path.name) for path in find_photos([str(folder / pattern)])[0]]
        assert sorted(names) == [name for name in found if name in names]
    assert len({*result_names(find_photos([str(folder)])[0])}) == 5
