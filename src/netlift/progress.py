"""Progress reporting of commands."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the steps of a long job; the command line draws them, a notebook may ignore them."""

    def stage(self, task: str, words: str) -> None:
        """A stage has begun.

        Args:
            task: Whose stage it is: churn, ltv, uplift, score.
            words: What is being done, in a few words.
        """

    def note(self, task: str, words: str) -> None:
        """Something small happened inside a stage, such as one setting tried; plain lines leave it out.

        Args:
            task: Whose stage it is.
            words: What, in a few words.
        """

    def advance(self, task: str, done: int, total: int, words: str = "") -> None:
        """A stage has moved on.

        Args:
            task: Whose stage it is.
            done: Steps done.
            total: Steps in all.
            words: What is known so far, such as the best value in money.
        """


class Silent:
    """Watches nothing."""

    def stage(self, task: str, words: str) -> None:
        """Do nothing."""

    def note(self, task: str, words: str) -> None:
        """Do nothing."""

    def advance(self, task: str, done: int, total: int, words: str = "") -> None:
        """Do nothing."""
