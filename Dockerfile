# The image of every rtrec service of docker-compose.yml: one installation, started as `rtrec …`.
#
# - Python 3.11 is what the locks were resolved with and what tests run on.
# - Everything but rtrec itself is installed by hash: requirements-build.lock builds the wheel, requirements-cluster.lock
#   is what runs. `make lock` writes both.
# - Kernels are compiled here, for any CPU of the architecture: compiled for this machine's, another kind of machine
#   would compile them again, half a minute in each container. Numba wants to write where it reads, and the root
#   filesystem may be read-only: so a container begins with a copy of them (3 MB) in NUMBA_CACHE_DIR, a tmpfs then.
# - Whether a container is well is asked by what runs it: `python -m rtrec.runtime.cluster.health`, or /readyz.

FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements-build.lock requirements-cluster.lock ./
RUN python -m venv tools \
 && tools/bin/pip install --require-hashes -r requirements-build.lock \
 && python -m venv /opt/rtrec \
 && /opt/rtrec/bin/pip install --require-hashes -r requirements-cluster.lock
COPY pyproject.toml README.md LICENSE ./
COPY configs configs
COPY src src
RUN tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir wheels . \
 && /opt/rtrec/bin/pip install --no-deps wheels/*.whl \
 && /opt/rtrec/bin/pip uninstall --yes setuptools pip
RUN NUMBA_CPU_NAME=generic NUMBA_CACHE_DIR=/opt/rtrec/kernels /opt/rtrec/bin/python -m rtrec.runtime.warm

FROM python:3.11-slim-bookworm
RUN groupadd --gid 10001 rtrec \
 && useradd --uid 10001 --gid rtrec --no-create-home --home-dir /tmp --shell /usr/sbin/nologin rtrec \
 && install -d -o rtrec -g rtrec /var/lib/rtrec/registry /var/lib/rtrec/archive /run/rtrec /etc/rtrec
COPY --from=build /opt/rtrec /opt/rtrec
ENV PATH=/opt/rtrec/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    NUMBA_CPU_NAME=generic NUMBA_CACHE_DIR=/run/rtrec/kernels
USER 10001:10001
WORKDIR /etc/rtrec
ENTRYPOINT ["/bin/sh", "-ec", "mkdir -p \"$NUMBA_CACHE_DIR\"; cp -R /opt/rtrec/kernels/. \"$NUMBA_CACHE_DIR\"; exec \"$@\"", "rtrec"]
CMD ["rtrec", "--help"]
