# Aitia as one process: the door and the four agents, beside a Temporal cluster and a PostgreSQL of their own.
FROM python:3.11-slim

# git is what the git actions work with
RUN apt-get update \
    && apt-get install -y --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --shell /usr/sbin/nologin aitia \
    && install --directory --owner aitia /data

WORKDIR /app
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

COPY requirements.lock ./
RUN pip install --require-hashes --no-deps -r requirements.lock

COPY pyproject.toml README.md ./
COPY causal causal
COPY playbooks playbooks
COPY integrations integrations
COPY workers workers
COPY demo demo
COPY benchmarks benchmarks
RUN pip install --no-deps --no-build-isolation .

USER aitia
ENV AITIA_HOME=/data AITIA_DOOR_HOST=0.0.0.0 AITIA_DOOR_PORT=4318
VOLUME /data
EXPOSE 4318
CMD ["aitia", "up"]
