# The service alone: locked dependencies, no build tools, no root, no sandbox. Runs on a read-only file system with a /tmp.
FROM python:3.13-slim AS build
# `--build-arg LOCK=otel` adds the packages that BFF_TRACES_URL needs.
ARG LOCK=run
WORKDIR /build
COPY locks/${LOCK}.txt lock.txt
# Before 3.13.10 an idle connection that Redis closed raises errors that no retry sees (redis/redis-py#4287).
RUN python -c 'import sys; assert sys.version_info >= (3, 13, 10)'
RUN python -m venv --without-pip /venv \
 && python -m pip --python /venv/bin/python install --no-cache-dir --no-deps --only-binary :all: --require-hashes -r lock.txt

FROM python:3.13-slim
RUN useradd --system --uid 10001 bff
WORKDIR /srv
COPY --from=build /venv /venv
COPY app app
# Nothing is written later, so each start would compile it again.
RUN python -m compileall -q --invalidation-mode unchecked-hash app
USER 10001
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 BFF_HOST=0.0.0.0
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/livez', timeout=2)"]
CMD ["python", "-m", "app"]
# `make release` gives both. Last, so that a new commit alone changes no layer.
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Return Portal BFF" \
      org.opencontainers.image.version=${VERSION} \
      org.opencontainers.image.revision=${REVISION} \
      org.opencontainers.image.licenses=MIT
