//! PostgreSQL stopped in the middle of the demo, and started again.

use std::time::{Duration, Instant};

use super::farm::Farm;
use crate::stats::count;

/// The longest outage: the breaker of the scheduler opens ten times in some 40 s, and then the service
/// ends.
const LONGEST: Duration = Duration::from_secs(30);

/// An outage, as far as it has come.
#[derive(Clone, Copy, Debug)]
pub struct Outage {
    length: Duration,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Planned,
    Away {
        since: Instant,
    },
    Returned {
        at: Instant,
        lasted: Duration,
        booked: f64,
    },
    Over(Ended),
}

/// An outage that is over.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// From the order to stop to the first connection after it.
    pub lasted: Duration,
    /// From then to the next booking.
    pub booking_again: Duration,
}

/// Reads the length of an outage.
///
/// # Errors
/// It is no time, or a longer one than the scheduler would sit out.
pub fn length(text: &str) -> Result<Duration, String> {
    let length = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if length.is_zero() || length > LONGEST {
        let most = humantime::format_duration(LONGEST);
        return Err(format!(
            "it must be more than nothing and at most {most}: the scheduler gives up after some 40 s"
        ));
    }
    Ok(length)
}

impl Outage {
    /// An outage of this length, when half of the frames are done.
    #[must_use]
    pub const fn planned(length: Duration) -> Self {
        Self {
            length,
            state: State::Planned,
        }
    }

    /// Goes on with it, and says whether the database is away. To be called over and over; it blocks
    /// while the server stops and while it starts.
    ///
    /// # Errors
    /// The server does not do as it is told.
    pub fn step(&mut self, farm: &mut Farm, done: u64, booked: f64) -> anyhow::Result<bool> {
        match self.state {
            State::Planned if done >= farm.seeded.frames / 2 => {
                let since = Instant::now();
                tokio::task::block_in_place(|| farm.server.stop())?;
                eprintln!("PostgreSQL is stopped for {:?} ...", self.length);
                self.state = State::Away { since };
            }
            State::Away { since } if since.elapsed() >= self.length => {
                tokio::task::block_in_place(|| farm.server.start_again())?;
                eprintln!("PostgreSQL is back");
                self.state = State::Returned {
                    at: Instant::now(),
                    lasted: since.elapsed(),
                    booked,
                };
            }
            State::Returned {
                at,
                lasted,
                booked: before,
            } if booked > before || count(farm.seeded.frames) <= before => {
                self.state = State::Over(Ended {
                    lasted,
                    booking_again: at.elapsed(),
                });
            }
            _ => {}
        }
        Ok(matches!(self.state, State::Away { .. }))
    }

    /// What it was, once it is over.
    #[must_use]
    pub const fn ended(&self) -> Option<Ended> {
        match self.state {
            State::Over(ended) => Some(ended),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_a_time_that_the_scheduler_sits_out() {
        assert_eq!(length("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(length("500ms"), Ok(Duration::from_millis(500)));
        for (bad, told) in [
            ("0s", "at most 30s"),
            ("1m", "at most 30s"),
            ("ten", "number"),
        ] {
            let error = length(bad).unwrap_err();
            assert!(error.contains(told), "{bad}: {error}");
        }
    }
}
