"""Moving the champion by hand, with the expected champion named and the reason kept."""

from __future__ import annotations

from datetime import datetime

from netlift.config.business import BusinessSettings
from netlift.config.settings import did_you_mean
from netlift.errors import GateRefusedError, UsageError
from netlift.registry.models import describe
from netlift.registry.promotion import Promotion, promote, read_history
from netlift.registry.store import Store, open_store
from netlift.registry.tracking import TAG


def promote_version(
    settings: BusinessSettings,
    *,
    task: str,
    version: int,
    expect_current: int | None,
    reason: str,
    now: datetime,
    lock_timeout: float,
) -> Promotion:
    """Make a version champion.

    Raises:
        GateRefusedError: The version's gate refused it, and it was never champion.
        UsageError: No such task or version, no reason, or another champion than expected.
        ModelIntegrityError: The version's files are not those that were registered.
        BusyError: Another process kept the registry's lock.
    """
    if task not in settings.models:
        raise UsageError(f"{task}: the config defines no such task{did_you_mean(task, list(settings.models))}")
    if not reason.strip():
        raise UsageError("--reason is empty; the audit keeps why a champion was moved by hand")
    store = open_store(settings.state, run_group=settings.name)
    _require_gate(store, task, version)
    return promote(
        store,
        task,
        version,
        expect_current=expect_current,
        reasons=(reason.strip(),),
        actor="netlift promote",
        at=now,
        lock_timeout_seconds=lock_timeout,
    )


def _require_gate(store: Store, task: str, version: int) -> None:
    passed = describe(store, task, version).tags.get(f"{TAG}gate") == "passed"
    if not passed and version not in {entry["version"] for entry in read_history(store, task)}:
        raise GateRefusedError(
            f"netlift-{task} version {version}: its gate refused it and it was never champion; its card says why. "
            "Change the gate in the model definition and train again if the gate is wrong"
        )
