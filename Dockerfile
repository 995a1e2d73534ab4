# One image for all services of the shop and for the console; what it runs is said by the command.
FROM python:3.13-slim-bookworm AS build
RUN pip install --no-cache-dir --disable-pip-version-check uv==0.13.9
ENV UV_PROJECT_ENVIRONMENT=/app UV_PYTHON_DOWNLOADS=never UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy
WORKDIR /source
# The dependencies first: they change less often than the sources, and this layer stays.
COPY pyproject.toml uv.lock ./
COPY demo-services/pyproject.toml demo-services/
RUN uv sync --frozen --no-default-groups --package clew-demo --extra postgresql --extra kafka --no-install-workspace
COPY README.md CHANGELOG.md LICENSE ./
COPY instrumentation instrumentation
COPY console console
COPY demo-services demo-services
RUN uv sync --frozen --no-default-groups --package clew-demo --extra postgresql --extra kafka --no-editable

FROM python:3.13-slim-bookworm
RUN useradd --uid 10002 --create-home shop && install -d -o shop -g shop /data
COPY --from=build /app /app
USER 10002:10002
ENV PATH=/app/bin:/usr/local/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /data
CMD ["python", "-m", "shop.gateway"]
