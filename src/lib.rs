//! The scheduler service around the pipeline: settings, telemetry, the admin server, the lifecycle.
//!
//! The stages are crates of their own; this package puts them together and runs them. Values are
//! passed down from `main`: below it nothing reads the environment of the process and nothing is
//! global but what the logging and tracing libraries keep (see [`telemetry`]).

pub mod admin;
pub mod check;
pub mod cli;
pub mod config;
pub mod lifecycle;
pub mod pipeline;
pub mod replicas;
pub mod service;
pub mod start;
pub mod telemetry;
pub mod timings;
pub mod top;
pub mod why;
pub mod wiring;
mod words;
