# syntax=docker/dockerfile:1
# Two images: one for the worker, the other roles, the command line and the MLflow server, and a small one for
# inference (--target inference), which holds no client of Kafka, no database driver, no DVC and no MLflow.
# Each holds a list of what is installed in it (CycloneDX): /opt/laurel/sbom.cdx.json.
# The base is named by the digest of its multi-platform index: Python 3.11.16 of 2026-09. To take a newer one:
# docker buildx imagetools inspect python:3.11-slim-bookworm
ARG PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b


FROM ${PYTHON_IMAGE} AS tools

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PIP_CACHE_DIR=/var/cache/pip \
    PATH=/opt/laurel/bin:$PATH

RUN python -m venv /opt/laurel
WORKDIR /src

# What has no wheel is built by the hashed setuptools of the lock, not by a fetched one.
COPY requirements/build.txt requirements/
RUN --mount=type=cache,target=/var/cache/pip \
    pip install --require-hashes -r requirements/build.txt


FROM tools AS wheel

COPY pyproject.toml README.md LICENSE ./
COPY config config
COPY domain domain
COPY handlers handlers
COPY service service
RUN pip wheel --no-deps --no-build-isolation --no-index --wheel-dir dist .


# The libraries first: they change seldom and are most of an image. pip compiles all that it installs to bytecode.
FROM tools AS build

COPY requirements/runtime.txt requirements/
RUN --mount=type=cache,target=/var/cache/pip \
    pip install --require-hashes --no-build-isolation -r requirements/runtime.txt
COPY --from=wheel /src/dist dist
RUN pip install --no-deps --no-index dist/*.whl \
 && pip check \
 && pip uninstall --yes pip \
 && python -m service.runtime.component_list > /opt/laurel/sbom.cdx.json


FROM tools AS inference-build

COPY requirements/inference.txt requirements/
RUN --mount=type=cache,target=/var/cache/pip \
    pip install --require-hashes --no-build-isolation -r requirements/inference.txt
# The whole project, but only the libraries of this role: what the others need is not imported by it, which a test holds.
COPY --from=wheel /src/dist dist
RUN pip install --no-deps --no-index dist/*.whl \
 && laurel inference --help > /dev/null \
 && pip uninstall --yes pip \
 && python -m service.runtime.component_list > /opt/laurel/sbom.cdx.json


FROM ${PYTHON_IMAGE} AS base

# libgomp1: LightGBM's OpenMP. tini: hands signals on and collects orphans, as process 1.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libgomp1 tini \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 65532 laurel \
 && useradd --uid 65532 --gid 65532 --home-dir /tmp --no-create-home --shell /usr/sbin/nologin laurel \
 && install --directory --owner=65532 --group=65532 \
      /srv/laurel/config /srv/laurel/data /srv/laurel/models /srv/mlflow \
      /srv/laurel/secrets/roles /srv/laurel/secrets/inference /srv/laurel/secrets/postgres

COPY LICENSE NOTICE /usr/share/doc/laurel/

# The root is read-only when it runs; what libraries want to keep for themselves goes to /tmp, which is memory.
ENV PATH=/opt/laurel/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    OMP_NUM_THREADS=1 \
    OPENBLAS_NUM_THREADS=1 \
    MKL_NUM_THREADS=1

WORKDIR /srv/laurel
USER 65532:65532
ENTRYPOINT ["tini", "--"]


FROM base AS inference

COPY --from=inference-build /opt/laurel /opt/laurel

# Verified models: in a volume they outlive the container, and it starts while MLflow is away.
# The drain is longer than a balancer's checks take to find out: interval x failures.
ENV INFERENCE__CACHE_FOLDER=/srv/laurel/models \
    INFERENCE__DRAIN_SECONDS=20

# Alive, not ready: without a champion it waits, and to start it anew would not help.
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-I", "-S", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 18082, timeout=3); c.request('GET', '/health/live'); raise SystemExit(c.getresponse().status != 200)"]

CMD ["laurel", "inference"]


FROM base

COPY --from=build /opt/laurel /opt/laurel

# A container has an address of its own, so all roles can answer health on one port.
ENV CONFIG_ROOT=/srv/laurel/config \
    DATA_ROOT=/srv/laurel/data \
    HTTP__WORKER_PORT=18080 \
    HTTP__LISTENER_PORT=18080 \
    API__PORT=18080 \
    API__DRAIN_SECONDS=20 \
    NOTIFIER__PORT=18080 \
    POLARS_MAX_THREADS=2

HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-I", "-S", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 18080, timeout=3); c.request('GET', '/health/live'); raise SystemExit(c.getresponse().status != 200)"]

CMD ["laurel", "worker"]
