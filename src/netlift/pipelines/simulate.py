"""The simulate command: the demo retailer written to the config's table paths."""

from __future__ import annotations

from datetime import date

from netlift.config.business import BusinessSettings
from netlift.errors import UsageError
from netlift.progress import Progress
from netlift.registry.locks import exclusive
from netlift.simulation.presets import RETAILER
from netlift.simulation.simulate import SimulationSettings, SimulationSummary, simulate

EARLIEST_END, LATEST_END = 1980, 2150


def simulate_business(
    settings: BusinessSettings, *, customers: int, seed: int, end: date, progress: Progress, preset: str = RETAILER
) -> SimulationSummary:
    """Simulate into the folder of the config's tables.

    Raises:
        BusyError: A training or another simulation of this business runs.
        UsageError: The config's tables are not in one folder, or tables stand there already.
    """
    folders = {source.path.parent for source in settings.data.tables.values() if source.path}
    if len(folders) != 1:
        raise UsageError(f"config {settings.name}: simulate needs all data.tables in one folder, found {len(folders)}")
    target = folders.pop()
    if target.exists():
        raise UsageError(f"{target} stands already and nothing is written over; name another folder in data.tables")
    if not EARLIEST_END <= end.year <= LATEST_END:
        raise UsageError(f"--end {end}: the simulated world knows the years {EARLIEST_END} to {LATEST_END}")
    progress.stage("simulate", f"{customers:,} customers, seed {seed}")
    with exclusive(settings.state / "locks" / "train.lock", timeout_seconds=0, holder="simulate"):
        return simulate(
            SimulationSettings(customers=customers, seed=seed, end=end, preset=preset),
            target=target,
            progress=lambda share: progress.advance("simulate", round(1000 * share), 1000),
        )
