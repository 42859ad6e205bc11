# Runsheet in a container that holds nothing but the binary. Jobs of type command
# need programs: see docs/install.md for an image with some.
#   docker build --build-arg VERSION=v1.2.3 -t runsheet .
FROM golang:1.26 AS build
ARG VERSION=dev
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -buildid= -X main.version=$VERSION" -o /out/root/usr/local/bin/runsheet ./cmd/runsheet
# Temporary files, and the data folder with its owner: a new volume takes both over.
RUN mkdir -p /out/root/tmp /out/root/data /out/root/etc/ssl/certs \
 && cp /etc/ssl/certs/ca-certificates.crt /out/root/etc/ssl/certs/ \
 && chmod 1777 /out/root/tmp && chmod 700 /out/root/data && chown 10001:10001 /out/root/data

FROM scratch
COPY --from=build /out/root/ /
# Listening for others needs TLS (RUNSHEET_TLS_CERT, RUNSHEET_TLS_KEY) or a proxy
# (RUNSHEET_BEHIND_PROXY=true): without either the server refuses to start.
ENV RUNSHEET_DATA=/data RUNSHEET_LISTEN=0.0.0.0:8420 HOME=/data
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8420
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD ["/usr/local/bin/runsheet", "health", "-q"]
ENTRYPOINT ["/usr/local/bin/runsheet"]
CMD ["serve"]
