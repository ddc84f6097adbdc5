# hubdns as an image: one static binary, its configuration and the usual certificate authorities, nothing else.
#
#   docker build -t hubdns .
#   docker build -t hubdns --build-arg RUST_IMAGE=registry.example/rust:1.95-bookworm .
#   buildah bud --format docker -t hubdns .          # OCI's own format has no health check
#
# docs/operations.md has how to run it, and why on the host's network.

# Any Debian-like image with this Rust toolchain, its gnu target and a C compiler.
ARG RUST_IMAGE=docker.io/library/rust:1.95-bookworm

FROM ${RUST_IMAGE} AS build
WORKDIR /src
RUN command -v setcap && test -s /etc/ssl/certs/ca-certificates.crt || \
    { apt-get update && apt-get install -y --no-install-recommends libcap2-bin ca-certificates; }
COPY . .
# Without --target the flag would also reach build scripts and procedural macros, which cannot be static.
RUN RUSTFLAGS='-C target-feature=+crt-static -C strip=symbols' \
    cargo build --release --locked --target x86_64-unknown-linux-gnu --bin hubdns
RUN install -D target/x86_64-unknown-linux-gnu/release/hubdns /image/hubdns && \
    install -D -m 644 conf/hub.toml /image/etc/hubdns/hubdns.toml && \
    install -D -m 644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt && \
# Port 53 without root. Permitted, not effective: the program raises it for the bind. With +ep it could not even be
# started where the runtime has dropped the capability.
    setcap cap_net_bind_service=+p /image/hubdns

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="hubdns" \
      org.opencontainers.image.description="A private DNS resolver for Azure Virtual Desktop over Private Link" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image/ /
# A number: a named user fails where the platform demands a user other than root.
USER 65532:65532
EXPOSE 53/udp 53/tcp 8080/tcp
STOPSIGNAL SIGTERM
# No shell is needed. It asks /readyz where the configuration has `health`, else whether there is an answer over DNS.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["/hubdns", "healthcheck"]
ENTRYPOINT ["/hubdns"]
CMD ["serve"]
