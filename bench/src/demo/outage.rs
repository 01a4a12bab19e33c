//! PostgreSQL stopped in the middle of the demo, and started again.

use std::time::{Duration, Instant};

use super::farm::Farm;
use crate::stats::count;

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
    /// The server cannot be stopped or started.
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

    /// The outage, once it is over.
    #[must_use]
    pub const fn ended(&self) -> Option<Ended> {
        match self.state {
            State::Over(ended) => Some(ended),
            _ => None,
        }
    }
}
