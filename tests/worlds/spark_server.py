"""Spark Connect on two threads of this machine: `python spark_server.py PORT` says `ready` and serves until it ends."""

from __future__ import annotations

import sys

from pyspark.sql import SparkSession

CONFIG = {
    "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
    "spark.connect.grpc.binding.port": sys.argv[1],
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "1g",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.local.dir": sys.argv[2],
    "spark.sql.warehouse.dir": sys.argv[2],
    "spark.sql.shuffle.partitions": "2",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
builder = SparkSession.builder.master("local[2,3]")  # a task is tried three times
for name, value in CONFIG.items():
    builder = builder.config(name, value)
session = builder.getOrCreate()
sys.stdout.write("ready\n")
sys.stdout.flush()
sys.stdin.read()
