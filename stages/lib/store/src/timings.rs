//! The name of a replica's sessions, and the times on which all replicas must agree, which stand in it.
//!
//! Replicas do not talk to each other, and have no table to sign in to; the server's list of sessions is
//! all that they see of each other.

use std::time::Duration;

/// Bytes that PostgreSQL keeps of a session's name; it cuts off the rest without a word.
const LONGEST_NAME: usize = 63;

/// Times that decide when a booking counts as forgotten. All replicas must have the same, or one takes back
/// what another is about to launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timings {
    /// `booking.launch_deadline`.
    pub launch_deadline: Duration,
    /// `rqd.connect_timeout`.
    pub connect_timeout: Duration,
    /// `rqd.request_timeout`.
    pub request_timeout: Duration,
}

/// Stands before the timings in the name of a session.
const TIMINGS: char = '~';

impl Timings {
    /// The first setting that differs in `other`, with both values, ours first.
    pub fn difference(&self, other: &Self) -> Option<(&'static str, Duration, Duration)> {
        let settings = [
            (
                "booking.launch_deadline",
                self.launch_deadline,
                other.launch_deadline,
            ),
            (
                "rqd.connect_timeout",
                self.connect_timeout,
                other.connect_timeout,
            ),
            (
                "rqd.request_timeout",
                self.request_timeout,
                other.request_timeout,
            ),
        ];
        settings
            .into_iter()
            .find(|(_, ours, theirs)| ours != theirs)
    }

    /// Milliseconds in base 36, for the name of a session is short.
    fn encode(&self) -> String {
        let times = [
            self.launch_deadline,
            self.connect_timeout,
            self.request_timeout,
        ];
        times.map(|time| base_36(time.as_millis())).join(".")
    }

    fn decode(text: &str) -> Option<Self> {
        let mut times = text.split('.').map(|ms| {
            let ms = u64::from_str_radix(ms, 36).ok()?;
            Some(Duration::from_millis(ms))
        });
        let timings = Self {
            launch_deadline: times.next()??,
            connect_timeout: times.next()??,
            request_timeout: times.next()??,
        };
        times.next().is_none().then_some(timings)
    }
}

fn base_36(mut number: u128) -> String {
    let mut digits = Vec::new();
    loop {
        // Below 36, so it is a digit.
        let digit = u32::try_from(number % 36).unwrap_or_default();
        digits.extend(char::from_digit(digit, 36));
        number /= 36;
        if number == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

/// The name of a replica's sessions: `NAME/REPLICA~TIMINGS`, or `NAME/REPLICA` for one that launches
/// nothing. Of a replica whose name is too long the end is kept, in which the number of the process is.
pub fn session_name(name: &str, replica: &str, timings: Option<&Timings>) -> String {
    let timings = timings.map(|timings| format!("{TIMINGS}{}", timings.encode()));
    let timings = timings.unwrap_or_default();
    let room = LONGEST_NAME.saturating_sub(name.len() + 1 + timings.len());
    let cut = replica.len().saturating_sub(room);
    let from = (cut..=replica.len()).find(|at| replica.is_char_boundary(*at));
    let end = from
        .and_then(|from| replica.get(from..))
        .unwrap_or_default();
    format!("{name}/{end}{timings}")
}

/// The name of the replica, and its timings, if the session says them.
pub(crate) fn parts(replica: &str) -> (&str, Option<Timings>) {
    let split = replica.rsplit_once(TIMINGS);
    let read = split.and_then(|(name, timings)| Some((name, Timings::decode(timings)?)));
    read.map_or((replica, None), |(name, timings)| (name, Some(timings)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timings(deadline: u64) -> Timings {
        Timings {
            launch_deadline: Duration::from_millis(deadline),
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(300),
        }
    }

    #[test]
    fn a_session_name_fits_and_keeps_the_end_of_the_replica_and_its_timings() {
        let name = session_name("cue-scheduler", "h-7", Some(&timings(10_000)));
        assert_eq!(name, "cue-scheduler/h-7~7ps.3uw.6fhc");
        let dry = session_name("cue-scheduler", "h-7", None);
        assert_eq!(dry, "cue-scheduler/h-7");
        let long = format!("{}-4711", "é".repeat(40));
        let name = session_name(&"n".repeat(32), &long, Some(&timings(300_000)));
        assert!(name.len() <= LONGEST_NAME, "{name}");
        let (replica, read) = parts(name.split_once('/').unwrap().1);
        assert!(replica.ends_with("é-4711"), "{name}");
        assert_eq!(read, Some(timings(300_000)));
    }

    #[test]
    fn timings_are_read_as_they_were_written_and_nothing_else_is() {
        for ms in [0, 1, 35, 36, 200, 10_000, 300_000] {
            assert_eq!(Timings::decode(&timings(ms).encode()), Some(timings(ms)));
        }
        for session in ["h-7", "h~7", "h~1.2", "h~1.2.3.4", "h~a.b.!", "h~1.2."] {
            assert_eq!(parts(session), (session, None));
        }
        assert_eq!(parts("~a~1.2.3").0, "~a");
    }

    #[test]
    fn the_setting_that_differs_is_named_with_both_values() {
        let (ours, theirs) = (timings(10_000), timings(20_000));
        assert_eq!(ours.difference(&ours), None);
        let seconds = Duration::from_secs;
        assert_eq!(
            ours.difference(&theirs),
            Some(("booking.launch_deadline", seconds(10), seconds(20)))
        );
    }
}
