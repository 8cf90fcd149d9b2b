"""The README's demo on servers: compose.yaml's own commands, without docker, beside the same demo on files.

`python deploy/run_demo.py FOLDER` starts PostgreSQL, a stand-in for S3 and an MLflow server in temporary folders, runs the
commands that the head of compose.yaml lists, then the same verbs from files with the local store, and compares what was
scored and decided: 0 where every row is equal, 1 where one is not, 6 where this machine lacks a part.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pandas as pd
import yaml
from servers import HOUSE, MissingError, start_mlflow, start_objects, start_postgres

DEPLOY = HOUSE / "deploy"
RUN = re.compile(r"^#   docker compose run --rm (\S+) ?(.*)$", re.MULTILINE)
BUILD = re.compile(r"^RUN (.+ > configs/\S+)$", re.MULTILINE)
OF_THIS_MACHINE = {"--host", "--port", "--allowed-hosts", "--backend-store-uri"}
RESULTS = ("scores", "decisions")


def main() -> int:
    """Run both and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a folder that does not stand yet; what was made stays there")
    parser.add_argument("--customers", type=int, default=6_000)
    parser.add_argument("--trials", type=int, help="settings that each search tries; as the models say when left out")
    asked = parser.parse_args()
    try:
        on_servers, on_files = (prepare(asked.folder / name, asked.trials) for name in ("servers", "files"))
        run_on_servers(on_servers, asked.customers)
    except MissingError as missing:
        sys.stderr.write(f"{missing}\n")
        return 6
    shutil.copytree(on_servers / "var" / "demo", on_files / "var" / "demo")
    for service, arguments in commands():
        if service == "netlift" and arguments[0] != "simulate":
            run(netlift([word.replace("server.yaml", "demo.yaml") for word in arguments]), on_files, {})
    differing = [*differences(on_servers, on_files)]
    sys.stdout.write("\n".join(differing) + "\n" if differing else "scores and decisions are those from files\n")
    return 1 if differing else 0


def commands() -> list[tuple[str, list[str]]]:
    """Service and arguments of each command at the head of compose.yaml but for the night of every day."""
    found = RUN.findall((DEPLOY / "compose.yaml").read_text())
    return [(service, shlex.split(arguments)) for service, arguments in found if service != "nightly"]


def prepare(folder: Path, trials: int | None) -> Path:
    """What the image of the jobs holds beside the package, its config made as the Dockerfile makes it."""
    for name in ("configs", "models", "deploy"):
        shutil.copytree(HOUSE / name, folder / name)
    for model in (folder / "models").glob("*.yaml") if trials else ():
        model.write_text(re.sub(r"trials: \d+", f"trials: {trials}", model.read_text()))
    for line in BUILD.findall((DEPLOY / "Dockerfile").read_text()):
        subprocess.run(line, shell=True, cwd=folder, check=True)
    return folder


def run_on_servers(folder: Path, customers: int) -> None:
    """Every command, with the environment of compose.yaml but for the places of its servers."""
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    words = shlex.split(services["mlflow"]["command"])
    options = [word for pair in pairs(words[1:]) if pair[0] not in OF_THIS_MACHINE for word in pair]
    bucket = urlsplit(options[options.index("--artifacts-destination") + 1]).netloc
    with start_postgres() as url, start_objects(bucket) as objects:
        create_records(url)
        records = url.replace("postgresql:", "postgresql+psycopg:").rpartition("/")[0] + "/mlflow"
        with start_mlflow([words[0], *options, "--backend-store-uri", records], objects) as address:
            environment = {"SHOP_DB": url, "NETLIFT_MLFLOW": address}
            assert set(environment) == set(services["netlift"]["environment"]), "as compose.yaml has them"
            for service, arguments in commands():
                if service == "netlift":
                    more = ["--customers", str(customers)] if arguments[0] == "simulate" else []
                    run(netlift([*arguments, *more]), folder, environment)
                else:
                    run([sys.executable, *services[service]["entrypoint"][1:], *arguments], folder, environment)


def create_records(url: str) -> None:
    """The database of MLflow's records, by what compose.yaml gives to its PostgreSQL."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as session:
        session.execute((DEPLOY / "mlflow.sql").read_text())


def pairs(words: list[str]) -> list[list[str]]:
    """Each option with its values."""
    found: list[list[str]] = []
    for word in words:
        if word.startswith("--"):
            found.append([word])
        else:
            found[-1].append(word)
    return found


def netlift(arguments: list[str]) -> list[str]:
    """The command of this environment."""
    return [str(Path(sys.executable).parent / "netlift"), *arguments]


def run(command: list[str], folder: Path, environment: Mapping[str, str]) -> None:
    """A command to its end, with what it took; stops all where it fails."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW", "NETLIFT", "AWS"))}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, env={**own, **environment}, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    sys.stdout.write(f"{folder.name}: {shlex.join([Path(command[0]).name, *command[1:]])}: {cpu:.1f} CPU s\n")
    sys.stdout.flush()
    if done.returncode:
        raise SystemExit(f"left with {done.returncode}")


def differences(one: Path, other: Path) -> list[str]:
    """Tables of the runs that are not equal, or that one alone has."""
    found = [
        {path.relative_to(folder): path for kind in RESULTS for path in (folder / "var" / "out" / kind).rglob("*.parquet")}
        for folder in (one, other)
    ]
    if not found[0]:
        return ["nothing was scored"]
    told = [f"{path}: one alone has it" for path in sorted(set(found[0]) ^ set(found[1]))]
    for path in sorted(set(found[0]) & set(found[1])):
        if not pd.read_parquet(found[0][path]).equals(pd.read_parquet(found[1][path])):
            told.append(f"{path}: differs")
    return told


if __name__ == "__main__":
    sys.exit(main())
