# The pipeline: `docker run IMAGE doctor`, `docker run -v "$PWD/output:/work/output" IMAGE run`.
# A Beam SDK worker: `docker build --target worker .` (the entry point is Beam's boot program).
# The embedded server alone: `docker build --target serving .` (see docs/serverless.md).
#
# Behind a proxy with its own certificate authority, mount the CA bundle during the build and pass
# --build-arg PIP_CERT=FILE --build-arg SSL_CERT_FILE=FILE.
ARG PYTHON_VERSION=3.13
ARG BEAM_VERSION=2.77.0

# Debian 13 has glibc 2.41, which all wheels accept.
FROM python:${PYTHON_VERSION}-slim-trixie AS base

FROM base AS build
ARG PIP_CERT=
ARG SSL_CERT_FILE=
# yes: also what signs models and checks signatures.
ARG SIGNING=no
# pyfarmhash, a dependency, is published as C++ source only.
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends g++ >/dev/null
WORKDIR /app
COPY scripts/bootstrap.txt scripts/
# Empty variables must be unset: pip and uv would look for a file with an empty name.
RUN [ -n "$PIP_CERT" ] || unset PIP_CERT; [ -n "$SSL_CERT_FILE" ] || unset SSL_CERT_FILE; \
    python3 -m venv /opt/faultline && python3 -m venv /opt/tools \
    && /opt/tools/bin/pip install -q --no-cache-dir --require-hashes -r scripts/bootstrap.txt
# Dependencies before sources, so that editing code does not reinstall them.
COPY requirements.lock ./
COPY common/software/lock_file.py serving/deploy/signing.txt ./
RUN [ -n "$PIP_CERT" ] || unset PIP_CERT; [ -n "$SSL_CERT_FILE" ] || unset SSL_CERT_FILE; \
    python3 lock_file.py requirements.lock >/tmp/runtime.lock \
    && if [ "$SIGNING" = yes ]; then python3 lock_file.py requirements.lock signing.txt >>/tmp/runtime.lock; fi \
    && /opt/tools/bin/uv pip install -q --no-cache --python /opt/faultline/bin/python \
    --require-hashes --build-constraints requirements.lock --compile-bytecode -r /tmp/runtime.lock
COPY . .
RUN /opt/tools/bin/uv pip install -q --no-cache --python /opt/faultline/bin/python \
    --no-deps --no-build-isolation --editable . \
    && /opt/faultline/bin/python -m compileall -q . \
    && /opt/faultline/bin/faultline sbom --lock /tmp/runtime.lock --output-file sbom.cdx.json

FROM base AS runtime
# The software bill of materials of this image's Python packages, in CycloneDX's JSON.
LABEL io.faultline.sbom=/app/sbom.cdx.json
COPY --from=build /opt/faultline /opt/faultline
COPY --from=build /app /app
RUN useradd --create-home --uid 10001 faultline && install -d -o faultline -g faultline /work
ENV PATH=/opt/faultline/bin:$PATH PYTHONUNBUFFERED=1
USER faultline
# Runs write to /work/output; mount a volume there to keep the results.
WORKDIR /work
ENTRYPOINT ["faultline"]
CMD ["--help"]

# Beam's boot program starts workers in the environment of this image.
FROM apache/beam_python${PYTHON_VERSION}_sdk:${BEAM_VERSION} AS beam
FROM runtime AS worker
COPY --from=beam /opt/apache/beam /opt/apache/beam
ENV RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1
ENTRYPOINT ["/opt/apache/beam/boot"]
CMD []

# The server's packages. Of TensorFlow, only its C library, without symbols for debuggers, its protocol
# buffers and its licences remain.
FROM base AS serving-build
ARG PIP_CERT=
ARG SSL_CERT_FILE=
ARG SIGNING=no
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends binutils >/dev/null
WORKDIR /app
COPY scripts/bootstrap.txt scripts/
RUN [ -n "$PIP_CERT" ] || unset PIP_CERT; [ -n "$SSL_CERT_FILE" ] || unset SSL_CERT_FILE; \
    python3 -m venv --without-pip /opt/serving && python3 -m venv /opt/tools \
    && /opt/tools/bin/pip install -q --no-cache-dir --require-hashes -r scripts/bootstrap.txt
COPY requirements.lock common/software/lock_file.py serving/deploy/packages.txt serving/deploy/signing.txt \
    serving/deploy/bill.txt ./
RUN [ -n "$PIP_CERT" ] || unset PIP_CERT; [ -n "$SSL_CERT_FILE" ] || unset SSL_CERT_FILE; \
    python3 lock_file.py requirements.lock packages.txt >/tmp/serving.lock \
    && if [ "$SIGNING" = yes ]; then python3 lock_file.py requirements.lock signing.txt >>/tmp/serving.lock; fi \
    && python3 lock_file.py requirements.lock bill.txt >/tmp/bill.lock \
    && /opt/tools/bin/uv pip install -q --no-cache --python /opt/serving/bin/python \
    --no-deps --require-hashes -r /tmp/serving.lock \
    && /opt/tools/bin/uv pip install -q --no-cache --python /opt/serving/bin/python --target /opt/bill \
    --no-deps --require-hashes -r /tmp/bill.lock
RUN packages=$(echo /opt/serving/lib/python3.*/site-packages) \
    && find "$packages/tensorflow" -type f ! -name '*_pb2.py' ! -name '*.so.2' ! -name '*NOTICES*' -delete \
    && strip --strip-unneeded "$packages"/tensorflow/*.so.2 \
    && find "$packages" -type d -name tests -prune -exec rm -r {} + \
    && find "$packages" -type d -empty -delete \
    && /opt/serving/bin/python -m compileall -q "$packages"
COPY common common
COPY serving serving
COPY pyproject.toml ./
RUN PYTHONPATH=/opt/bill /opt/serving/bin/python -m common.software.bill_of_materials \
    /tmp/serving.lock sbom.cdx.json \
    && rm -r serving/client serving/deploy requirements.lock lock_file.py packages.txt signing.txt bill.txt \
    scripts pyproject.toml \
    && /opt/serving/bin/python -m compileall -q .

# No pip, no compiler, no TFX. Nothing is written at run time: the root may be read-only.
FROM base AS serving
# The software bill of materials of this image's Python packages, in CycloneDX's JSON.
LABEL io.faultline.sbom=/app/sbom.cdx.json
COPY --from=serving-build /opt/serving /opt/serving
COPY --from=serving-build /app /app
COPY LICENSE /app/
RUN useradd --no-create-home --uid 10001 faultline && install -d /models
ENV PATH=/opt/serving/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
EXPOSE 8080
ENTRYPOINT ["python", "-m", "serving.container"]

# The default target.
FROM runtime AS faultline
