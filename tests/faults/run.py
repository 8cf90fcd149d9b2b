"""All kills and faults, or some, and how each left; exits with 1 where something was lost or badly said."""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from bad_machine import RACES, make_faults, put_upon
from kill_loop import Grounds, kill_everywhere, warm
from shop import VERBS


def main() -> None:
    """Run what is asked for, and print each outcome as it comes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kill", nargs="*", default=list(VERBS), help="Verbs to kill.")
    parser.add_argument("--every", type=int, default=1, help="Kill or fail at every k-th file event only.")
    parser.add_argument("--fault", nargs="*", default=[""], help="Faults whose name holds one of these.")
    parser.add_argument("--verbs", nargs="*", default=["score", "decide", "promote"], help="To fail at single calls.")
    parser.add_argument("--template", type=Path, help="An empty store to copy.")
    parser.add_argument("--json", type=Path, help="Write all of it there.")
    parser.add_argument("--readout", type=Path, help="Write it as Markdown there, at the end.")
    asked = parser.parse_args()
    warm()
    told = {"kills": [], "faults": []}
    with tempfile.TemporaryDirectory(prefix="netlift-faults-") as folder:
        grounds = Grounds(Path(folder), asked.template)
        for verb in asked.kill:
            tell(told, "kills", asdict(kill_everywhere(verb, grounds, every=asked.every)), asked.json)
        wanted = [
            one for one in make_faults(every=asked.every, verbs=tuple(asked.verbs)) if named(one.name, asked.fault)
        ]
        for fault in wanted:
            tell(told, "faults", asdict(put_upon(fault, grounds)), asked.json)
        for name, race in RACES.items():
            if named(name, asked.fault):
                tell(told, "faults", asdict(race(grounds)), asked.json)
    if asked.readout:
        asked.readout.write_text("\n".join(write_readout(told, every=asked.every)) + "\n", encoding="utf-8")
    sys.exit(any(one["failures"] for found in told.values() for one in found))


def write_readout(told: dict[str, list], *, every: int) -> Iterator[str]:
    """What was tried and how it left, as Markdown."""
    kills, faults = told["kills"], told["faults"]
    failures = [words for found in told.values() for one in found for words in one["failures"]]
    tries = sum(one["kills"] for one in kills) + sum(n for one in faults for n in one["left"].values())
    yield "# Kills and faults: what came out\n"
    yield "**Question.** What is lost, published in part or badly said when a verb is killed, or the machine fails?\n"
    yield f"Seen with `make faults{f' EVERY={every}' if every > 1 else ''}`, in a shop of 300 customers.\n"
    yield f"**{tries:,} tries, {len(failures):,} failures.**"
    if not failures:
        yield "Nothing was lost: every output was the old or the new to the byte, and the same call made the new.\n"
    yield "## Killed before a file event, then called again\n"
    yield "| verb | file events | kills | states left behind | failures |\n|---|---|---|---|---|"
    for one in kills:
        yield f"| {one['verb']} | {one['events']} | {one['kills']} | {one['states']} | {len(one['failures'])} |"
    yield "\n## Faults, then called again without\n"
    yield "| fault | verb | left with (tries) | failures | said |\n|---|---|---|---|---|"
    for one in faults:
        left = ", ".join(f"{code} ({tries})" for code, tries in sorted(one["left"].items()))
        said = re.sub(r"(/[^ :]*)?/netlift-faults-[^/ ]*", "…", one["said"]).removeprefix("netlift: ")
        yield f"| {one['fault']} | {one['verb']} | {left} | {len(one['failures'])} | {said} |"
    yield "\n0: the fault came before reading or after all stood; 1 damaged, 4 refused, 5 busy, 6 out of resources."
    if failures:
        yield "\n## Failures\n"
        yield from (f"- {words}" for words in failures)


def named(name: str, parts: list[str]) -> bool:
    return any(part in name for part in parts)


def tell(told: dict[str, list], kind: str, one: dict, target: Path | None) -> None:
    told[kind].append(one)
    words = {name: value for name, value in one.items() if name != "failures"}
    sys.stdout.write("".join(f"{line}\n" for line in [words, *one["failures"][:5]]))
    sys.stdout.flush()
    if target:
        target.write_text(json.dumps(told, indent=1, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
