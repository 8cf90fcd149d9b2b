"""Spark Connect: `python spark_server.py PORT FOLDER [MASTER]` says `ready` and serves until its input ends.

Without a master it has two threads of its own; with one it asks a cluster for executors of one core each.
"""

from __future__ import annotations

import sys


def serve(port: str, folder: str, master: str = "local[2,3]") -> None:  # a task is tried three times
    from pyspark.sql import SparkSession

    config = {
        "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
        "spark.connect.grpc.binding.port": port,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.local.dir": folder,
        "spark.sql.warehouse.dir": folder,
        "spark.sql.shuffle.partitions": "2",
        "spark.executor.cores": "1",
        "spark.executor.memory": "512m",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    session = SparkSession.builder.master(master).config(map=config).getOrCreate()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
    session.stop()


if __name__ == "__main__":
    serve(*sys.argv[1:])
