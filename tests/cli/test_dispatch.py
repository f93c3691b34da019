"""The `marigold` command itself: usage, verbs, exit codes."""

import os
import signal
import subprocess
import sys
import types
from pathlib import Path

import pytest

import marigold
from marigold import cli
from marigold.core.errors import ImageError


def answering(monkeypatch, run):
    """Puts a verb `fake` in place whose `run` is the function given."""
    module = types.SimpleNamespace(parse=lambda arguments: arguments, run=run)
    monkeypatch.setattr(cli, "verbs", lambda: {"fake": None})
    monkeypatch.setattr(cli, "verb", lambda name: module)


def fails_with(error):
    def run(options):
        raise error

    return run


def test_help_shows_one_line_for_every_verb(capsys):
    assert cli.main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {"predict"} <= cli.verbs().keys()
    for name in cli.verbs():
        (line,) = [line for line in lines if line.startswith(f"  {name} ")]
        assert len(line) > len(name) + 12


def test_no_arguments_show_the_usage_as_a_mistake(capsys):
    assert cli.main([]) == 2
    assert "usage: marigold VERB" in capsys.readouterr().err


def test_the_version_is_the_package_s(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"marigold {marigold.__version__}\n"


def test_an_unknown_verb_is_answered_with_the_nearest(capsys):
    assert cli.main(["predct"]) == 2
    assert capsys.readouterr().err == "marigold: error: no verb named `predct`; did you mean `predict`?\n"


def test_an_unknown_option_is_a_mistake_of_the_command_line(capsys):
    assert cli.main(["predict", "depth", "a.jpg", "--stepz", "3"]) == 2
    assert "--stepz" in capsys.readouterr().err


def test_inputs_behind_an_option_are_told_where_to_go(capsys):
    assert cli.main(["predict", "depth", "a.jpg", "--steps", "3", "b.jpg", "c.jpg"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("marigold predict: error: `b.jpg c.jpg` is not expected there; put the inputs before")


def test_the_exit_code_is_the_verb_s(monkeypatch):
    answering(monkeypatch, len)
    assert cli.main(["fake"]) == 0
    assert cli.main(["fake", "a", "b", "c"]) == 3


def test_an_error_of_the_user_is_one_line_and_exit_code_1(monkeypatch, capsys):
    answering(monkeypatch, fails_with(ImageError("a.jpg: broken;\n  copy it again")))
    assert cli.main(["fake"]) == 1
    assert capsys.readouterr().err == "marigold: error: a.jpg: broken; copy it again\n"


def test_an_interrupt_is_exit_code_130(monkeypatch, capsys):
    answering(monkeypatch, fails_with(KeyboardInterrupt()))
    assert cli.main(["fake"]) == 130
    assert capsys.readouterr().err == "marigold: interrupted\n"


def test_a_reader_that_has_seen_enough_is_no_error_of_the_program():
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "marigold", "--help"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert done.returncode == 1
    assert done.stderr == ""


def test_an_error_of_the_program_shows_where_it_is(monkeypatch):
    answering(monkeypatch, fails_with(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        cli.main(["fake"])


@pytest.mark.parametrize(
    ("verb", "words", "option"),
    [
        ("predict", ["depth", "a.jpg", "--output=~/maps"], "output"),
        ("predict", ["depth", "a.jpg", "--log=~/maps"], "log"),
        ("evaluate", ["depth", "photos", "--output=~/maps"], "output"),
        ("evaluate", ["depth", "photos", "--root=~/maps"], "root"),
        ("synth", ["~/maps"], "output"),
        ("train", ["tiny-depth", "--run=~/maps"], "run"),
    ],
)
def test_a_tilde_is_the_folder_of_the_user(monkeypatch, verb, words, option):
    monkeypatch.setenv("HOME", "/home/somebody")
    assert getattr(cli.verb(verb).parse(words), option) == Path("/home/somebody/maps")


def test_a_tilde_is_the_folder_of_the_user_inside_a_recipe_too(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    options = cli.verb("train").parse(["tiny-depth", "--data.0.root=~/scenes"])
    assert options.recipe.data[0].root == Path("/home/somebody/scenes")


def test_a_tilde_in_front_of_nobody_s_name_stays():
    assert cli.verb("synth").parse(["~nobody-of-this-name/maps"]).output == Path("~nobody-of-this-name/maps")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["predict", "--help"], ["wrong"]])
def test_help_loads_no_torch(arguments):
    code = (
        "import sys; from marigold.cli import main; main(sys.argv[1:]);"
        "heavy = {'torch', 'numpy', 'PIL', 'diffusers'} & sys.modules.keys();"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_package_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "marigold", "wrong"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("marigold: error: no verb named `wrong`")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "utf-8"])
def test_a_console_that_lacks_a_character_gets_an_escape(encoding):
    code = "import sys; from marigold import cli; cli.main(['x\\u2193\\udce9\\x1b\\n']); print('\\u2193 \\udce9')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env={**os.environ, "PYTHONIOENCODING": encoding}, check=False
    )
    arrow = "\u2193".encode(encoding, "backslashreplace")
    assert done.stdout.rstrip() == arrow + rb" \udce9"
    assert b"Traceback" not in done.stderr and done.stderr.startswith(
        b"marigold: error: no verb named `x" + arrow + rb"\udce9\x1b\n`; there are: "
    )


def test_a_verb_of_another_package_that_cannot_be_imported_stops_no_other_and_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "stranger.py").write_text("import no_such_library")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(cli, "plugins", lambda group: {"greet": "stranger.verb", "wave": "stranger"})
    assert cli.main(["--help"]) == 0
    for verb in ("greet", "wave"):
        assert cli.main([verb]) == 1
        assert "No module named 'no_such_library'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "not enough memory; lower what makes the work large, such as --resolution, --ensemble"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 4e15"), "not enough memory; lower"),
        (RecursionError("maximum recursion depth exceeded"), "something is nested too deeply to be read; look for"),
        (PermissionError(13, "Permission denied", "a\n.txt"), r"a .txt: cannot be used (permission denied); check"),
        (OSError(28, "No space left on device"), "standard output cannot be written (no space left on device); make"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_of_the_machine_is_one_line_and_exit_code_1(monkeypatch, capsys, error, message):
    answering(monkeypatch, fails_with(error))
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # which is given up where it takes nothing more
    before = sys.stdout
    assert cli.main(["fake"]) == 1
    if sys.stdout is not before:
        sys.stdout.close()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"marigold: error: {message}")


def shell(command, **environment):
    """What a shell says, with `marigold` for the program."""
    words = command.replace("marigold", f"'{sys.executable}' -m marigold")
    return subprocess.run(
        ["sh", "-c", words], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", ["--help", "predict --help"])
def test_output_that_cannot_be_written_is_one_line_and_exit_code_1(arguments, unbuffered):
    done = shell(f"marigold {arguments} > /dev/full", PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == 1
    assert done.stderr.startswith("marigold: error: standard output cannot be written (no space left on device); make")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("marigold --version >&-", 0),
        ("marigold --version >&- 2>&- <&-", 0),
        ("marigold wrong 2>&-", 2),
        ("marigold wrong 2> /dev/full", 2),
        ("marigold predict depth --nothing 2> /dev/full", 1),
    ],
)
def test_closed_and_full_streams_give_no_traceback(command, code):
    done = shell(command)
    assert (done.returncode, done.stderr) == (code, "")


def test_a_stream_that_is_closed_gives_its_number_to_no_file(tmp_path):
    code = (
        "import os; from marigold.cli._ending import prepare_streams; prepare_streams();"
        f"file = open({str(tmp_path / 'file')!r}, 'w'); print('words'); assert file.fileno() > 2"
    )
    command = ["sh", "-c", 'exec "$0" -c "$1" >&- <&-', sys.executable, code]
    subprocess.run(command, check=True, capture_output=True)
    assert (tmp_path / "file").read_text() == ""


def test_a_folder_that_is_gone_is_one_line(tmp_path):
    done = shell(f"mkdir '{tmp_path}/gone' && cd '{tmp_path}/gone' && rmdir '{tmp_path}/gone' && marigold --help")
    assert (done.returncode, done.stderr) == (
        1,
        "marigold: error: the current folder is not there any more; go to another one\n",
    )


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_that_ends_the_program_lets_it_clean_up(monkeypatch, capsys, name):
    number, cleaned = getattr(signal, name), []

    def run(options):
        try:
            os.kill(os.getpid(), number)
            return signal.pause()
        finally:
            cleaned.append(True)

    answering(monkeypatch, run)
    assert cli.main(["fake"]) == 128 + number and cleaned == [True]
    assert capsys.readouterr().err == "marigold: ended by a signal\n"
    assert signal.getsignal(number) is signal.SIG_DFL


def test_a_signal_that_is_ignored_stays_so(monkeypatch):
    def run(options):
        os.kill(os.getpid(), signal.SIGHUP)
        return 0

    answering(monkeypatch, run)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert cli.main(["fake"]) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("option", ["--output", "--log", "--format", "--checkpoint", "--device", "--colormap"])
def test_a_value_with_nothing_in_it_is_refused(capsys, option):
    for words in ([option, ""], [f"{option}="]):
        assert cli.main(["predict", "depth", "a.jpg", *words]) == 2
        assert capsys.readouterr().err.startswith(
            f"marigold predict: error: `{option}` has an empty value; give it one"
        )


def test_inputs_and_paths_of_other_verbs_with_nothing_in_them_are_refused(capsys):
    assert cli.main(["predict", "depth", "a.jpg", ""]) == 2
    assert "an input is empty" in capsys.readouterr().err
    for words, message in (
        (["synth", ""], "an input is empty"),
        (["evaluate", "depth", "photos", "--output", ""], "`--output` has an empty value"),
        (["train", "tiny-depth", "--run", ""], "the path is empty"),
    ):
        assert cli.main(words) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--x\x1bc"], ["--steps", "\x1b[31m"], ["--seed", "1", "x\x1b]0;title\x07"]])
def test_words_of_the_command_line_do_not_steer_the_terminal(capsys, words):
    assert cli.main(["predict", "depth", "a.jpg", *words]) == 2
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err and "\x07" not in out + err
