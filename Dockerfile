# Bakeoff and its locked dependencies, for the Docker and Kubernetes pools of flows/deployments/.
#   docker build --tag bakeoff:latest .
FROM python:3.11-slim

RUN useradd --create-home --uid 1000 bakeoff
WORKDIR /opt/bakeoff

# The environment changes less often than the code, so it is a layer of its own.
COPY --chown=bakeoff requirements.lock .ci/uv.lock ./
RUN python -m pip install --no-cache-dir --require-hashes -r uv.lock \
 && uv pip sync --system --no-cache --require-hashes --compile-bytecode requirements.lock

COPY --chown=bakeoff . .
RUN uv pip install --system --no-cache --no-deps --no-build-isolation --editable .

USER bakeoff
# What runs, cache and reports are kept in: mount a volume there.
ENV BAKEOFF_HOME=/home/bakeoff/data DO_NOT_TRACK=1 PREFECT_FLOWS_HEARTBEAT_FREQUENCY=30
CMD ["bakeoff", "--help"]
