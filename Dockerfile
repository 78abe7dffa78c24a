# One image for every process of ours; compose says which one runs.
FROM python:3.11.13-slim-bookworm AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
COPY requirements.lock /tmp/requirements.lock
RUN /opt/venv/bin/pip install --require-hashes --only-binary :all: -r /tmp/requirements.lock

FROM python:3.11.13-slim-bookworm
LABEL org.opencontainers.image.title="cloudtrader" \
      org.opencontainers.image.description="Crypto traders that keep running when the browser tab is closed" \
      org.opencontainers.image.documentation="docs/containers.md"
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin cloudtrader
# A volume mounted there takes over the owner.
RUN install -d -o 10001 -g 10001 /var/lib/cloudtrader
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY domain domain
COPY activities activities
COPY adapters adapters
COPY filters filters
COPY workflows workflows
COPY workers workers
COPY feeder feeder
COPY api api
COPY cli cli
COPY local local
COPY migrations migrations
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
# Each process has its own health check in temporal-compose.yml.
ENTRYPOINT ["python", "-m"]
CMD ["cli", "--help"]
