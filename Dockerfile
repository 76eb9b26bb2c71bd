# The service alone: base dependencies, shipped bundle, no torch. tests/test_dockerfile.py keeps this honest.
FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /opt/dispatch
COPY pyproject.toml README.md ./
COPY configs configs
COPY label_maps label_maps
COPY dispatch_model dispatch_model
COPY serving serving
RUN /opt/dispatch/bin/pip install --no-cache-dir .

FROM python:3.11-slim
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/dispatch dispatch
COPY --from=build /opt/dispatch /opt/dispatch
ENV PATH=/opt/dispatch/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DISPATCH_HOST=0.0.0.0 \
    DISPATCH_PORT=8000 \
    DISPATCH_DATA_DIR=/var/lib/dispatch
USER dispatch
WORKDIR /var/lib/dispatch
VOLUME /var/lib/dispatch
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['DISPATCH_PORT'] + '/healthz', timeout=2)"]
CMD ["dispatch", "serve"]
