"""Train on the four public data sets and write what came out into experiments/, good or bad.

    .venv/bin/python benchmarks/real_data.py [cdnow online_retail complete_journey hillstrom] [--data FOLDER]

Each study trains from nothing, in a state folder of its own below var/studies/, so that no earlier champion is in it.
"""

from __future__ import annotations

import argparse
import shutil
from datetime import UTC, datetime
from pathlib import Path

from netlift.cli.terminal import TerminalLines
from netlift.config.business import load
from netlift.config.settings import read_yaml
from netlift.data.write import write_bytes
from netlift.pipelines.train import train_business
from netlift.training.study import render_study, study_json

ROOT = Path(__file__).parents[1]
STUDIES = ("cdnow", "online_retail", "complete_journey", "hillstrom")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="*", default=STUDIES, help=f"of {', '.join(STUDIES)}")
    parser.add_argument("--data", type=Path, help="folder of the Parquet files, in place of the configs' own")
    arguments = parser.parse_args()
    for name in arguments.studies:
        run_study(name, arguments.data)


def run_study(name: str, data: Path | None) -> None:
    folder = ROOT / "experiments" / f"2026-11-{name.replace('_', '-')}"
    plan = read_yaml(folder / "plan.yaml")
    settings = load(ROOT / plan["config"])
    if data is not None:
        settings = settings.model_copy(update={"data": settings.data.model_copy(update={"path": data.absolute()})})
    state = ROOT / "var" / "studies" / name
    shutil.rmtree(state, ignore_errors=True)
    report = train_business(
        settings.model_copy(update={"state": state}),
        tasks=plan["tasks"],
        progress=TerminalLines(lambda line: print(f"{name}: {line}")),
        now=datetime.now(tz=UTC),
        lock_timeout=0,
    )
    command = f".venv/bin/python benchmarks/real_data.py {name}"
    write_bytes(folder / "readout.md", render_study(report, question=plan["question"], command=command).encode())
    write_bytes(folder / "readout.json", study_json(report, question=plan["question"]).encode())
    print(report.to_text())


if __name__ == "__main__":
    main()
