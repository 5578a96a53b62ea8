# The service alone: locked dependencies, no build tools, no root, no sandbox.
FROM python:3.13-slim AS build
WORKDIR /build
COPY locks/run.txt .
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --no-deps --only-binary :all: --require-hashes -r run.txt

FROM python:3.13-slim
RUN useradd --system --uid 10001 bff
WORKDIR /srv
COPY --from=build /venv /venv
COPY app app
RUN rm -r app/sandbox
USER 10001
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 BFF_HOST=0.0.0.0
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=2s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/livez', timeout=1)"]
CMD ["python", "-m", "app"]
