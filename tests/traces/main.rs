//! Telemetry from outside: traces as a collector receives them, metrics as they are scraped, and the dashboards and
//! alerts on both.
//!
//! Everything is seen through the real program: it runs on a small farm with a real PostgreSQL and
//! hosts that speak RQD's protocol, and exports to a receiver built from OpenTelemetry's own protocol
//! definitions. Invariant: a wait is for a signal and has a bound.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it fails"
)]

mod addresses;
mod asked;
#[path = "../farm/binary.rs"]
mod binary;
mod boards;
mod collector;
mod drawn;
mod export;
mod exported;
mod failures;
mod jaeger;
mod metrics;
mod pinned;
mod promql;
mod questions;
mod reference;
mod render;
mod scrape;
mod tls;
mod tree;
mod turns;
mod waits;
mod yard;
