"""Spark Connect on two threads: `python spark_server.py PORT FOLDER` says `ready` and serves until its input ends."""

from __future__ import annotations

import sys


def serve(port: str, folder: str) -> None:
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
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    session = SparkSession.builder.master("local[2,3]").config(map=config).getOrCreate()  # a task is tried three times
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
    session.stop()


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2])
