# nebulink as an image: the program and its licence on a base that has a C library, CA certificates and no shell.
#
#     docker build -t nebulink .
#
# Of the first base only the compiler matters: it is the one of rust-toolchain.toml, and its Debian is the oldest whose C
# library the program starts with. The second has no finer tag; a release pins both by digest.
ARG BUILD_IMAGE=docker.io/library/rust:1.95.0-slim-bookworm
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot

# Compiles on the machine's own architecture for the one that is asked for: emulating the other takes many times longer.
FROM --platform=$BUILDPLATFORM ${BUILD_IMAGE} AS dependencies
ARG TARGETARCH
WORKDIR /build
# The compiler for C is for ring. Versions are those of the base's Debian.
# hadolint ignore=DL3008
RUN set -eu; \
    case "$TARGETARCH" in \
        amd64) machine=x86_64 package=x86-64 ;; \
        arm64) machine=aarch64 package=aarch64 ;; \
        *) echo "There is no build for the architecture '$TARGETARCH', only for amd64 and arm64." >&2; exit 1 ;; \
    esac; \
    target="$machine-unknown-linux-gnu" linker="$machine-linux-gnu-gcc"; \
    if [ "$machine" != "$(uname -m)" ]; then \
        apt-get update; \
        apt-get install -y --no-install-recommends "gcc-$package-linux-gnu" "libc6-dev-$TARGETARCH-cross"; \
        rm -rf /var/lib/apt/lists/*; \
        rustup target add "$target"; \
    fi; \
    mkdir -p .cargo; \
    printf '[build]\ntarget = "%s"\n[target.%s]\nlinker = "%s"\n' "$target" "$target" "$linker" > .cargo/config.toml
COPY Cargo.toml Cargo.lock ./
# An empty program compiles the dependencies into a layer that stays until their versions change. Benchmarks and tests are
# not part of the build, and Cargo insists on files for those that it knows of.
RUN set -eu; \
    sed -i -E '/^\[\[(bench|test)\]\]$/,/^$/d' Cargo.toml; \
    mkdir src; \
    touch src/lib.rs; \
    echo 'fn main() {}' > src/main.rs; \
    cargo build --release --locked --bin nebulink

# Gathers the code, so that it becomes one layer.
FROM scratch AS code
COPY config/default.toml /code/config/
COPY templates /code/templates
COPY src /code/src

FROM dependencies AS build
COPY --from=code /code ./
# Cargo goes by the time of a file, and that of the empty program is later.
RUN set -eu; \
    touch src/lib.rs src/main.rs; \
    cargo build --release --locked --bin nebulink; \
    cp target/*/release/nebulink /nebulink

# The program alone, for those who want a file: docker build --target program --output .
FROM scratch AS program
COPY --from=build /nebulink /nebulink

# hadolint ignore=DL3006
FROM ${RUNTIME_IMAGE}
ARG RUNTIME_IMAGE
ARG VERSION=unknown
ARG REVISION=unknown
ARG SOURCE=
LABEL org.opencontainers.image.title="nebulink" \
      org.opencontainers.image.description="Turns the id of a Nebuly interaction or conversation into a redirect to the page that shows it" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.base.name="$RUNTIME_IMAGE"
COPY LICENSE /usr/share/doc/nebulink/LICENSE
COPY --from=build /nebulink /usr/local/bin/nebulink
# As a number, so that Kubernetes can see that it is not root.
USER 65532:65532
# Redirects, and probes with metrics.
EXPOSE 8080 9090
# Here, because `docker run --health-cmd` needs a shell. Kubernetes has probes of its own, and ignores it. The first minute
# is for reading a large snapshot.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["/usr/local/bin/nebulink", "health"]
ENTRYPOINT ["/usr/local/bin/nebulink"]
