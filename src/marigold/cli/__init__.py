"""The `marigold` command: finds the verb's file in this folder, parses its options, runs it.

`cli/predict.py` is `marigold predict`; other packages add verbs by entry points of the group `marigold.verbs`. A
verb's module holds three things:

    \"\"\"One line that the usage shows beside the verb.\"\"\"
    parse(arguments: list[str]) -> Options    # usually `return parsed(Options, "verb", arguments)`
    run(options: Options) -> int              # the exit code

A verb's module imports torch and the like inside `run`, so that `--help` answers at once. Exit codes: 0 done, 1 a
`MarigoldError` or a part that failed, 2 a command line that cannot be understood, 130 interrupted, 143 terminated.
"""

import ast
import inspect
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from marigold.cli._ending import Ended, check_folder, drop, ended_by_signals, failed, one_line, prepare_streams, told
from marigold.core.console import printable
from marigold.core.distribution import VERSION
from marigold.core.find import imported, plugins, source, unknown

if TYPE_CHECKING:
    from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

GROUP = "marigold.verbs"
"""The entry points by which other packages add verbs."""

__all__ = ["expanded", "main", "one_line", "parsed", "refuse_empty", "strict", "usage", "verb", "verbs"]

Options = TypeVar("Options")


def main(arguments: list[str] | None = None) -> int:
    """Runs one command line (`sys.argv` by default) and returns its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    prepare_streams()
    with ended_by_signals():
        try:
            check_folder()
            code = _dispatch(arguments)
            sys.stdout.flush()
            return code
        except KeyboardInterrupt as stop:
            number = stop.number if isinstance(stop, Ended) else signal.SIGINT
            return failed("interrupted" if number == signal.SIGINT else "ended by a signal", 128 + number, ": ")
        except BrokenPipeError:  # whoever read the output, such as `head`, has seen enough
            drop("stdout")
            return 1
        except Exception as error:
            message = told(error)
            if message is None:
                raise
            return failed(message)


def verbs() -> dict[str, Path]:
    """The file of every verb, by name: those of this folder and those of other packages."""
    own = {file.stem: file for file in Path(__file__).parent.glob("*.py") if not file.stem.startswith("_")}
    others = {name: file for name, module in plugins(GROUP).items() if (file := source(module))}
    return dict(sorted((others | own).items()))


def verb(name: str) -> ModuleType:
    """The module of a verb."""
    own = (Path(__file__).parent / f"{name}.py").is_file()
    return imported(f"marigold.cli.{name}" if own else plugins(GROUP)[name])


def parsed(options: type[Options], name: str, arguments: list[str]) -> Options:
    """A verb's command line as its options, a frozen dataclass whose field docstrings are the help.

    What is said of the verb is the docstring of the module that defines them.
    """
    import tyro

    refuse_empty(name, arguments)
    description = ast.get_docstring(ast.parse(Path(inspect.getfile(options)).read_text(encoding="utf-8")))
    parse = partial(
        tyro.cli,
        options,
        prog=f"marigold {name}",
        description=description,
        config=(tyro.conf.DisallowNone,),
        registry=paths(),
    )
    return strict(parse, name, arguments)


def strict(parse: Callable[..., Any], name: str, arguments: list[str]) -> Any:
    """What `tyro.cli`, with all but `args` given, makes of a command line that it knows every word of.

    Ends the program for any other. What is wrong is told with escapes for what is not to be printed.
    """
    shown = list(map(printable, arguments))
    if shown != arguments:
        parse(args=shown, return_unknown_args=True)  # what it complains of, it repeats
    found, left = parse(args=arguments, return_unknown_args=True)
    if any(word.startswith("-") for word in left):
        return parse(args=shown)  # which says what is wrong with them
    if left:
        words = printable(" ".join(left))
        complain(name, f"`{words}` is not expected there; put the inputs before the options")
    return found


def paths() -> "ConstructorRegistry":
    """How options that are paths are read: `~` is the user's folder, also after `=`, where a shell leaves it."""
    from tyro.constructors import ConstructorRegistry

    registry = ConstructorRegistry()
    registry.primitive_rule(_path_option)
    return registry


def expanded(path: str) -> Path:
    """A path whose `~` is the user's folder; one of a user that does not exist stays as it is."""
    return Path(os.path.expanduser(path))


def refuse_empty(name: str, arguments: list[str]) -> None:
    """Ends the program for words with nothing in them, as a shell makes them of variables that are not set."""
    for before, word in zip(["", *arguments], arguments, strict=False):
        if not word and before.startswith("--") and "=" not in before:
            complain(name, f"`{before}` has an empty value; give it one or leave it out")
        if not word:
            complain(name, "an input is empty; name a file, folder or pattern")
        if word.startswith("--") and word.endswith("="):
            complain(name, f"`{word[:-1]}` has an empty value; give it one or leave it out")


def usage() -> str:
    """What `marigold --help` prints."""
    summaries = {name: _summary(file) for name, file in verbs().items()}
    width = max(map(len, summaries), default=0)
    return "\n".join(
        [
            "usage: marigold VERB [OPTIONS]",
            "",
            "Dense image analysis with repurposed image generators.",
            "",
            *(f"  {name:<{width}}  {printable(summary)}" for name, summary in summaries.items()),
            "",
            "marigold VERB --help lists the options of a verb; marigold --version prints the version.",
        ]
    )


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage(), file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    name, *rest = arguments
    if name in ("-V", "--version"):
        print(f"marigold {VERSION}")
        return 0
    if name not in verbs() | plugins(GROUP):
        return failed(printable(unknown("verb", name, verbs())), 2)
    module = verb(name)
    try:
        return module.run(module.parse(rest))
    except SystemExit as stop:  # the option parser has printed its help or its complaint
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)


def complain(name: str, message: str) -> NoReturn:
    """Ends the program for a command line that cannot be understood."""
    raise SystemExit(failed(f"{message} (marigold {name} --help shows more)", 2, f" {name}: error: "))


def _path_option(option: "PrimitiveTypeInfo") -> "PrimitiveConstructorSpec[Path] | None":
    """The rule for an option whose type is `Path`; None for other types, which keep theirs."""
    from tyro.constructors import PrimitiveConstructorSpec

    if option.type is not Path:
        return None
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="PATH",
        instance_from_str=lambda words: _given(words[0]),
        is_instance=lambda value: isinstance(value, Path),
        str_from_instance=lambda path: [str(path)],
    )


def _given(path: str) -> Path:
    """A path that is an option's value. Raises `ValueError` for nothing, which would be the current folder."""
    if not path:
        raise ValueError("the path is empty; name one or leave the option out")
    return expanded(path)


def _summary(file: Path) -> str:
    """The first line of a file's docstring, read without importing it."""
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]
