"""The desk under load: a stored readout for 50 readers at once, computed pages for 20, and the server's memory.

python benchmarks/web.py [--seconds 5] [--json PATH]; the demo's newest readout, or whatever --config stores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from netlift.config.business import load
from netlift.web.store import RunStore

TARGETS = {"readout": (50, 500, 150), "readouts": (20, 200, 250), "start": (20, 200, 250), "jobs": (20, 200, 250)}
"""Page to readers at once, requests a second at least, and milliseconds within which 95 of 100 are answered."""


async def read(host: str, port: int, path: str, end: float, took: list[float], wrong: list[int]) -> None:
    """One reader on one connection, until the end."""
    reader, writer = await asyncio.open_connection(host, port)
    plain = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept-Language: ru\r\n"
    request = f"{plain}\r\n".encode()
    while time.perf_counter() < end:
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(re.search(rb"content-length: (\d+)", head)[1]))
        if cookie := re.search(rb"set-cookie: ([^;]+)", head):
            request = f"{plain}Cookie: {cookie[1].decode()}\r\n\r\n".encode()
        took.append(time.perf_counter() - began)
        if b" 200 " not in head[:20]:
            wrong.append(1)
    writer.close()


async def measure(host: str, port: int, path: str, readers: int, seconds: float) -> dict[str, float]:
    """Requests a second and the 95th percentile, in milliseconds."""
    took, wrong = [], []
    began = time.perf_counter()
    await asyncio.gather(*(read(host, port, path, began + seconds, took, wrong) for _ in range(readers)))
    spent, took = time.perf_counter() - began, sorted(took)
    rank = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
    ranks = {name: round(1000 * took[int(share * (len(took) - 1))], 1) for name, share in rank.items()}
    return {"requests": len(took), "per_second": round(len(took) / spent), **ranks, "failed": len(wrong)}


def memory_mb(pid: int) -> float:
    """Resident memory of a process."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, default=Path("configs/demo.yaml"))
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    newest = RunStore(load(given.config).state).newest("readouts")
    if newest is None:
        sys.exit("no readout is stored: netlift readout C08")
    command = [sys.executable, "-m", "netlift", "serve", "--config", str(given.config), "--port", "0", "--no-worker"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        host, port = re.search(r"http://([^:]+):(\d+)", server.stdout.readline()).groups()
        paths = {"readout": f"/readouts/{newest.key}", "readouts": "/readouts", "start": "/", "jobs": "/jobs"}
        found = {"load_average": os.getloadavg()[0], "memory_mb_before": round(memory_mb(server.pid))}
        print(f"load average {found['load_average']:.1f} on {os.cpu_count()} cores, client on the same machine")
        for name, (readers, least, most) in TARGETS.items():
            asyncio.run(measure(host, int(port), paths[name], 2, 0.5))
            used = cpu_seconds(server.pid)
            one = found[name] = asyncio.run(measure(host, int(port), paths[name], readers, given.seconds))
            one["server_cpu_ms"] = round(1000 * (cpu_seconds(server.pid) - used) / one["requests"], 2)
            held = one["per_second"] >= least and one["p95_ms"] <= most and not one["failed"]
            print(f"{name}: {readers} at once, {one} target {least}/s, p95 {most} ms: {'held' if held else 'MISSED'}")
        found["memory_mb_after"] = round(memory_mb(server.pid))
        print(f"memory {found['memory_mb_before']} MB, after {found['memory_mb_after']} MB")
    finally:
        server.terminate()
        server.wait()
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far: what a request costs whatever else the machine does."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
