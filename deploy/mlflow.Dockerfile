# MLflow's own server with the drivers of PostgreSQL and S3. Built from the checkout, whose lock says of which versions.
FROM python:3.11-slim
COPY requirements-servers.lock ./
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements-servers.lock
ENTRYPOINT ["mlflow"]
