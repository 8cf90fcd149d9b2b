"""netlift's day under Airflow: check, night, doctor; exit codes decide what is tried again.

A task is asked for its logical date and keyed by it, so that Airflow may run it again at any time: the same key goes on
where it was, or changes nothing. 5 (busy) and 6 (out of resources) fail and are retried; 2 (config), 3 (data) and 4 (a
gate refused) would end the same, so they fail at once; the log of each is one JSON object a line.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

from airflow import DAG
from airflow.exceptions import AirflowFailException
from airflow.hooks.subprocess import SubprocessHook
from airflow.operators.python import PythonOperator

FOLDER = "/srv/netlift"
NETLIFT = ".venv/bin/netlift"
FINAL = {1, 2, 3, 4, 70}
COMMANDS = {
    "check": [NETLIFT, "check", "--config", "configs/demo.yaml"],
    "night": [
        NETLIFT, "decide", "--config", "configs/demo.yaml", "--as-of", "{{ ds }}", "--run-key", "night-{{ ds }}",
        "--score", "--lock-timeout", "600", "--json",
    ],
    "doctor": [NETLIFT, "doctor", "--config", "configs/demo.yaml"],
}  # fmt: skip


def run(command: list[str]) -> None:
    """Run a command; what no retry would change fails for good."""
    code = SubprocessHook().run_command(command, cwd=FOLDER, env={"NETLIFT_LOG_FORMAT": "json"}).exit_code
    if code in FINAL:
        raise AirflowFailException(f"{command[1]} left with {code}: see its log, a retry would not help")
    if code:
        raise RuntimeError(f"{command[1]} left with {code}: it may pass later")


with DAG(
    "netlift",
    schedule="0 4 * * *",
    start_date=datetime(2026, 12, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=10)},
) as dag:
    tasks = [
        PythonOperator(task_id=name, python_callable=run, op_args=[command], execution_timeout=timedelta(hours=4))
        for name, command in COMMANDS.items()
    ]
    for before, after in pairwise(tasks):
        before >> after
