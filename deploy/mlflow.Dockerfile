# MLflow's own server with the drivers of PostgreSQL and S3; the version is that of requirements.lock.
FROM python:3.11-slim
RUN pip install --no-cache-dir mlflow==3.17.2 psycopg2-binary boto3
ENTRYPOINT ["mlflow"]
