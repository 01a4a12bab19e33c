# Shortcuts. Nothing here is needed: every recipe is one call of cargo or of a script in .ci.

# List the recipes.
default:
    @just --list --unsorted

# Run the service against the database of CUE_DATABASE_URL.
run *ARGS:
    cargo run --release --bin cue-scheduler -- run {{ ARGS }}

# Schedule a farm in a box, end to end.
demo *ARGS:
    cargo run --release --bin demo -- {{ ARGS }}

# Print the effective settings and where each came from.
config *ARGS:
    cargo run --quiet --bin cue-scheduler -- config {{ ARGS }}

# Format everything.
fmt:
    cargo fmt --all

# Check the format and run clippy, as CI does.
lint:
    .ci/run fmt clippy

# Run all tests.
test:
    cargo test

# Run the tests of one crate, as in `just test-crate cue-flow`.
test-crate NAME *ARGS:
    cargo test --package {{ NAME }} {{ ARGS }}

# Run a benchmark, as in `just bench speed`.
bench *ARGS:
    cargo run --release --bin bench -- {{ ARGS }}

# Run every benchmark once through, small.
bench-smoke:
    .ci/run bench

# Build the documentation of all crates; a broken link is an error.
doc:
    .ci/run doc

# Run everything that must pass before a change goes in.
ci:
    .ci/run

# Make the tarball, the packages and the list of dependencies in target/dist.
dist:
    .ci/dist

# Build Jaeger 2 with Go for the tests of traces, into the user's cache (its Go module counts from 1: v1.76.0 is 2.13).
jaeger:
    #!/usr/bin/env sh
    set -eu
    cache="${XDG_CACHE_HOME:-$HOME/.cache}/cue-scheduler/jaeger"
    mkdir -p "$cache/module"
    cd "$cache/module"
    test -f go.mod || go mod init jaeger.local
    go get -tool github.com/jaegertracing/jaeger/cmd/jaeger@v1.76.0
    go build -trimpath -o ../jaeger github.com/jaegertracing/jaeger/cmd/jaeger
    echo "export JAEGER=$cache/jaeger"
