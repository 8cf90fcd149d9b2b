"""What the web process holds: no data frames, no models, no browser library of others, no word in one language only."""

import re
import subprocess
import sys
from pathlib import Path

from desk_world import write_config

import netlift.web

HEAVY = ("pandas", "pyarrow", "duckdb", "ibis", "mlflow", "lightgbm", "altair", "sklearn", "scipy", "numba")
WEB = Path(netlift.web.__file__).parent


def test_the_server_holds_no_library_of_data_after_it_has_shown_its_pages(tmp_path):
    program = f"""
import sys
from pathlib import Path
from netlift.config.business import load
from netlift.web.access import Access
from netlift.web.app import create_app
from netlift.web import server, worker
from datetime import UTC, datetime
from starlette.testclient import TestClient
config = Path({str(write_config(tmp_path, {}))!r})
app = create_app(load(config), config=config, experiments=config.parent, access=Access(secret=b"k" * 32),
                 clock=lambda: datetime.now(UTC), fresh=lambda: "a" * 32)
pages = ["/", "/readouts", "/readouts/new", "/designs", "/designs/new", "/jobs"]
pages += ["/tests", "/offers", "/models", "/segments", "/api/v1/openapi.json"]
print([TestClient(app, base_url="http://localhost").get(page).status_code for page in pages])
print(sorted(set({HEAVY!r}) & set(sys.modules)))
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert told.splitlines() == [str([200] * 11), "[]"]


def test_all_scripts_are_our_own_and_short():
    scripts = {
        path.name: path.read_text() for path in WEB.rglob("*") if path.suffix in (".js", ".mjs", ".wasm", ".map")
    }
    assert set(scripts) == {"desk.js"}
    assert len(scripts["desk.js"].splitlines()) <= 30
    served = "\n".join([*scripts.values(), (WEB / "static" / "desk.css").read_text()])
    assert not re.search(r"https?://|eval\(|innerHTML|@import|url\(", served)
