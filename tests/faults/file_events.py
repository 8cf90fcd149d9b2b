"""The n-th call of a process that touches files, made to fail or to be its last."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Callable

import pytest

CALLS = ("replace", "fsync", "open", "write", "mkdir", "fdopen", "fchmod", "chmod", "close", "fstat")
EVENTS = ("replace", "rename", "mkdir", "rmdir", "unlink", "truncate", "ftruncate", "fsync", "open", "io.open", "sql")
"""What changes what another process finds on disk: files by Python, and statements that write to the store."""
FOR_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class FileEvents:
    """Counts calls that touch files, and acts in place of the n-th.

    Attributes:
        left: Calls until the act; below 0 after it.
    """

    def __init__(self, patch: pytest.MonkeyPatch, at: int, act: Callable[[], None], calls=CALLS):
        self.left, self.act = at, act
        for name in calls:
            if name == "io.open":
                patch.setattr(io, "open", self.counting(io.open, writes_text))
                patch.setattr("builtins.open", io.open)
            elif name == "sql":
                count_statements(self)
            else:
                writes = writes_descriptor if name == "open" and calls is EVENTS else always
                patch.setattr(os, name, self.counting(getattr(os, name), writes, releases=name == "close"))

    def counting(self, call, writes, *, releases=False):
        def counted(*args, **kwargs):
            if writes(*args, **kwargs):
                self.count(lambda: call(*args, **kwargs) if releases else None)
            return call(*args, **kwargs)

        return counted

    def count(self, before=lambda: None):
        self.left -= 1
        if self.left == 0:
            before()
            self.act()


def fail(code: int) -> Callable[[], None]:
    """An act: the call fails as the system would make it."""

    def act():
        raise OSError(code, os.strerror(code))

    return act


def die() -> None:
    """An act: the process is killed before the call."""
    os.kill(os.getpid(), signal.SIGKILL)


def always(*_, **__):
    return True


def writes_descriptor(_, flags, *__, **___):
    return bool(flags & FOR_WRITING)


def writes_text(file, mode="r", *_, **__):
    return not isinstance(file, int) and bool(set(mode) & set("wax+"))


def count_statements(events: FileEvents) -> None:
    """Count what SQLAlchemy is about to write or commit; for a process that ends soon, since it cannot be undone."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def on_statement(_, __, statement, *___):
        if statement.lstrip()[:6].upper() in ("INSERT", "UPDATE", "DELETE", "CREATE", "ALTER ", "DROP T"):
            events.count()

    event.listen(Engine, "before_cursor_execute", on_statement)
    event.listen(Engine, "commit", lambda _: events.count())
