"""How a command ends: streams that are closed or full, signals, and what is said of errors, each on one line."""

import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from marigold.core.console import printable
from marigold.core.errors import ConfigError, MarigoldError

_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Ended(KeyboardInterrupt):
    """Another process ends this one, or its terminal is gone."""

    def __init__(self, number: int) -> None:
        """Takes the number of the signal."""
        super().__init__()
        self.number = number


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Raises `Ended` for a signal that ends processes, so that what is half written goes, as with Ctrl-C.

    Signals that are ignored, as `nohup` has it, stay ignored, and a process that was forked off ends at once.
    """
    process = os.getpid()
    numbers = [number for number in _SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():
        numbers = []

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() == process:
            raise Ended(number)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    for number in numbers:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def prepare_streams() -> None:
    """Gives closed streams a place to go to, and lets what a console does not know be printed as escapes."""
    for number in range(3):  # the next file that is opened would take the number, and get what is printed
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            drop(name)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def drop(name: str) -> None:
    """Lets a stream go nowhere: the interpreter would complain when it ends of what the old one does not take."""
    setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def failed(message: str, code: int = 1, kind: str = ": error: ") -> int:
    """Says on one line of the error stream what is wrong, if that takes it, and returns the exit code."""
    try:
        print(f"marigold{kind}{one_line(message)}", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        drop("stderr")
    return code


def told(error: Exception) -> str | None:
    """What to say of an error that the user can do something about; None for one of the program."""
    if isinstance(error, MarigoldError):
        return str(error)
    if isinstance(error, RecursionError):
        return "something is nested too deeply to be read; look for a file or folder with very many levels"
    if isinstance(error, MemoryError) or _is_memory(error):
        return (
            "not enough memory; lower what makes the work large, such as --resolution, --ensemble, --detail, --batch "
            "or --workers, or close other programs"
        )
    return _of_the_system(error) if isinstance(error, OSError) else None


def one_line(error: BaseException | str) -> str:
    """A message without line breaks and control characters."""
    return printable(" ".join(str(error).split()))


def _is_memory(error: Exception) -> bool:
    """Whether torch says that memory is at its end, which is a `RuntimeError` there."""
    return isinstance(error, RuntimeError) and any(
        words in str(error) for words in ("can't allocate memory", "out of memory")
    )


def _of_the_system(error: OSError) -> str:
    words = (error.strerror or str(error) or type(error).__name__).lower()
    if error.filename is None:  # files have names, streams have none
        drop("stdout")
        return f"standard output cannot be written ({words}); make room there or choose another place for it"
    return f"{error.filename}: cannot be used ({words}); check that it is there, may be used, and its disk has room"


def check_folder() -> None:
    """Raises `ConfigError` where the current folder has been deleted, which libraries do not get over."""
    try:
        os.getcwd()
    except OSError as error:
        raise ConfigError("the current folder is not there any more; go to another one") from error
