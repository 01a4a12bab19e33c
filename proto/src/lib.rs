//! The wire: messages and services of RQD hosts, compatible with OpenCue.
//!
//! The `.proto` files beside this crate were written for it; packages, names and numbers are
//! those of OpenCue (OPENCUE.md, RunFrame), because both ends of a wire must agree on them. Everything
//! below is generated from them by the build script.
//!
//! Units: memory in KiB, cores in centicores (100 is one core).

/// Package `rqd`: what can be asked of a host.
#[expect(
    clippy::allow_attributes,
    clippy::too_many_lines,
    reason = "generated code"
)]
pub mod rqd {
    tonic::include_proto!("rqd");
}

/// Package `report`: messages from hosts.
#[expect(
    clippy::allow_attributes,
    clippy::too_many_lines,
    reason = "generated code"
)]
pub mod report {
    tonic::include_proto!("report");
}

/// Package `host`: words for the state of a host.
pub mod host {
    tonic::include_proto!("host");
}
