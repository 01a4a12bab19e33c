# Shortcuts. Nothing here is needed: every recipe is one call of cargo or of .ci/run.

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

# Run a benchmark, as in `just bench book`.
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
