# hubdns as an image: one static binary, its configuration and the usual certificate authorities, nothing else.
#
#   docker build -t hubdns .
#   docker build -t hubdns --build-arg RUST_IMAGE=registry.example/rust:1.95-bookworm .
#
# Stop with more patience than `lameduck` + 5 s: docker stop and podman stop give 10 s, which the default just fills
# (--stop-timeout 30). Bridge networks that translate addresses hide the clients, and with them the views: use
# --network host, or a network that keeps source addresses. Where low ports are closed to user 65532, set
# --sysctl net.ipv4.ip_unprivileged_port_start=53 or listen on a higher port.

# Any image with this Rust toolchain, its gnu target, a C compiler and ca-certificates.
ARG RUST_IMAGE=docker.io/library/rust:1.95-bookworm

FROM ${RUST_IMAGE} AS build
WORKDIR /src
COPY . .
# Without --target the flag would also reach build scripts and procedural macros, which cannot be static.
RUN RUSTFLAGS='-C target-feature=+crt-static -C strip=symbols' \
    cargo build --release --locked --target x86_64-unknown-linux-gnu --bin hubdns

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="hubdns" \
      org.opencontainers.image.description="A private DNS resolver for Azure Virtual Desktop over Private Link" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /src/target/x86_64-unknown-linux-gnu/release/hubdns /hubdns
COPY conf/hub.toml /etc/hubdns/hubdns.toml
# Whom encrypted upstreams are checked against where the configuration names no file of its own.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# A number: a named user fails where the platform demands a user other than root.
USER 65532:65532
EXPOSE 53/udp 53/tcp
STOPSIGNAL SIGTERM
ENTRYPOINT ["/hubdns"]
CMD ["serve"]
