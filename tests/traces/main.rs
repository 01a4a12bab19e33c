//! What an engineer sees from outside: traces as a collector receives them, metrics as they are
//! scraped, and what is drawn and alerted from both.
//!
//! Everything is seen through the real program: it runs on a small farm with a real PostgreSQL and
//! hosts that speak RQD's protocol, and exports to a receiver built from OpenTelemetry's own protocol
//! definitions. Invariant: whoever waits, waits for a signal and for a bounded time.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it fails"
)]

mod addresses;
mod asked;
#[path = "../farm/binary.rs"]
mod binary;
mod collector;
mod drawn;
mod export;
mod failures;
mod metrics;
mod mixing;
mod pinned;
mod promql;
mod reference;
mod scrape;
mod tls;
mod tree;
mod turns;
mod waits;
mod yard;
