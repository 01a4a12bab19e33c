//! Settings of the calls to hosts: addresses, time limits, and how many at once.
//!
//! Invariant: every call to a host has a time limit, and the number of open connections and of calls
//! under way is bounded.

use std::num::NonZeroUsize;
use std::time::Duration;

use cue_rqd::AddressTemplate;

use super::rules::{Form, Rule, count, duration, number};
use super::topic::topic;

topic! {
    /// Calls of hosts.
    Rqd in "rqd" {
        /// The port that RQD listens on.
        port: u16 = Some("8444"), "CUE_RQD_PORT", number(1..=65_535);
        /// Address of a host, made from its name and the port.
        address: AddressTemplate = Some("{host}:{port}"), "CUE_RQD_ADDRESS", template();
        /// Longest time to open a connection to a host.
        connect_timeout: Duration = Some("5s"), "CUE_RQD_CONNECT_TIMEOUT",
            duration(Duration::from_millis(10)..=Duration::from_secs(120));
        /// Longest time until a host answers.
        request_timeout: Duration = Some("10s"), "CUE_RQD_REQUEST_TIMEOUT",
            duration(Duration::from_millis(10)..=Duration::from_secs(300));
        /// Connections to hosts that are kept open at most.
        connections: NonZeroUsize = Some("512"), "CUE_RQD_CONNECTIONS", count(65_536);
        /// Frames that are launched at a time, without those whose host is slow to answer; an eighth of them, or one, on the same host.
        launches_in_flight: NonZeroUsize = Some("64"), "CUE_LAUNCHES_IN_FLIGHT", count(4096);
        /// Questions to a host about a launch without a clear answer, for 5 s at most; after that the host is asked
        /// beside the pipeline.
        resolve_attempts: u32 = Some("5"), "CUE_RESOLVE_ATTEMPTS", number(1..=100);
    }
}

fn template() -> Rule<AddressTemplate> {
    let allowed = "an address such as `{host}:{port}`, in which `{host}` and `{port}` are replaced; \
        without `{host}` every host is called at that one address, with its name in the header `cue-host`";
    Rule::new(Form::Text, allowed, |text| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::template;

    #[test]
    fn an_address_names_the_host_at_most_once_and_nothing_unknown() {
        for good in [
            "{host}:{port}",
            "{host}.farm.example:{port}",
            "{host}:9000",
            "127.0.0.1:9000",
        ] {
            assert!((template().parse)(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "{host}{host}:{port}",
            "{host}:{prot}",
            "http://{host}",
            "{host} :1",
        ] {
            assert!((template().parse)(bad).is_none(), "{bad}");
        }
    }
}
