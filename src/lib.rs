//! The scheduler service around the pipeline: settings, telemetry, the admin server, the lifecycle.
//!
//! The stages are crates of their own; this package puts them together and runs them. Values are
//! passed down from `main`: below it nothing reads the environment of the process and nothing is
//! global but what the logging and tracing libraries keep (see [`telemetry`]).

#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod admin;
pub mod check;
pub mod cli;
pub mod client;
pub mod config;
pub mod hosts;
pub mod lifecycle;
pub mod liveness;
pub mod manuals;
pub mod output;
pub mod pause;
pub mod pipeline;
pub mod record;
pub mod reload;
pub mod report;
pub mod service;
pub mod start;
pub mod status;
pub mod supervisor;
pub mod telemetry;
pub mod top;
pub mod why;
mod words;
