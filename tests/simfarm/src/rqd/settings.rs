//! Settings of simulated hosts: run times of frames, resources of hosts, faults.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

use cue_domain::{Centicores, Kib};
use sqlx::PgPool;

/// Variable of a frame's environment that overrides how long it runs: a [`FrameDuration`] as text.
pub const RUN_TIME: &str = "SIMFARM_RUN_TIME";

/// Variable of a frame's environment that overrides the memory it uses, KiB.
pub const MAX_RSS: &str = "SIMFARM_MAX_RSS";

/// Settings of a farm of simulated RQDs.
#[derive(Clone, Debug)]
pub struct SimRqdSettings {
    /// Run time of frames.
    pub duration: FrameDuration,
    /// Makes durations and memory of frames; the same seed gives a frame the same run.
    pub seed: u64,
    /// Resources of hosts. A host that is not listed has no bounds.
    pub hosts: HashMap<String, SimHost>,
    /// Delay of every answer.
    pub latency: Duration,
    /// Ends of frames that can wait in the channel before frames have to go on running.
    pub completions: NonZeroUsize,
    /// The program that hosts run, unless a host is given another.
    pub program: Program,
    /// Keeps the whole message in launch records; large farms need not.
    pub keep_frames: bool,
}

impl Default for SimRqdSettings {
    fn default() -> Self {
        Self {
            duration: FrameDuration::Never,
            seed: 1,
            hosts: HashMap::new(),
            latency: Duration::ZERO,
            completions: NonZeroUsize::MIN.saturating_add(65_535),
            program: Program::Rust,
            keep_frames: true,
        }
    }
}

/// Resources of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimHost {
    /// Cores, in centicores. A launch that needs more than what is left is refused.
    pub cores: Centicores,
    /// Memory, KiB. Only reported, as RQD does not check it at launch.
    pub memory: Kib,
}

impl SimHost {
    /// The hosts of a database, by name.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn all(pool: &PgPool) -> Result<HashMap<String, Self>, sqlx::Error> {
        let rows: Vec<(String, i64, i64)> =
            sqlx::query_as("SELECT str_name, int_cores::int8, int_mem::int8 FROM host")
                .fetch_all(pool)
                .await?;
        let hosts = rows.into_iter().map(|(name, cores, memory)| {
            let (cores, memory) = (Centicores(cores), Kib(memory));
            (name, Self { cores, memory })
        });
        Ok(hosts.collect())
    }
}

/// Run time of frames.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FrameDuration {
    /// All equally long.
    Fixed(Duration),
    /// Anything between the two, equally likely.
    Uniform(Duration, Duration),
    /// Mostly short and sometimes long, as on real farms.
    Exponential {
        /// The mean of the uncut distribution.
        mean: Duration,
        /// No frame is longer.
        max: Duration,
    },
    /// Until they are killed or finished by the test.
    Never,
}

impl FrameDuration {
    /// Run time of the frame; `None` is for ever. The same arguments give the same answer.
    #[must_use]
    pub fn of(&self, seed: u64, frame_id: &str) -> Option<Duration> {
        let share = share(seed, frame_id);
        match *self {
            Self::Fixed(duration) => Some(duration),
            Self::Uniform(a, b) => {
                let (short, long) = (a.min(b), a.max(b));
                Some(short + (long - short).mul_f64(share))
            }
            Self::Exponential { mean, max } => {
                let factor = -(1.0 - share).ln();
                Some(mean.mul_f64(factor).min(max))
            }
            Self::Never => None,
        }
    }
}

impl fmt::Display for FrameDuration {
    /// One word and its times in milliseconds, as `uniform 2000 6000`; [`FromStr`] reads it back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(time) => write!(f, "fixed {}", time.as_millis()),
            Self::Uniform(a, b) => write!(f, "uniform {} {}", a.as_millis(), b.as_millis()),
            Self::Exponential { mean, max } => {
                write!(f, "exponential {} {}", mean.as_millis(), max.as_millis())
            }
            Self::Never => f.write_str("never"),
        }
    }
}

/// A text that is no [`FrameDuration`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a duration of frames is `fixed MS`, `uniform MS MS`, `exponential MS MS` or `never`")]
pub struct NoDuration;

impl FromStr for FrameDuration {
    type Err = NoDuration;

    fn from_str(text: &str) -> Result<Self, NoDuration> {
        let mut words = text.split_whitespace();
        let kind = words.next().ok_or(NoDuration)?;
        let times: Result<Vec<u64>, _> = words.map(str::parse).collect();
        let times = times.map_err(|_| NoDuration)?;
        let times: Vec<Duration> = times.into_iter().map(Duration::from_millis).collect();
        match (kind, times.as_slice()) {
            ("fixed", &[time]) => Ok(Self::Fixed(time)),
            ("uniform", &[a, b]) => Ok(Self::Uniform(a, b)),
            ("exponential", &[mean, max]) => Ok(Self::Exponential { mean, max }),
            ("never", []) => Ok(Self::Never),
            _ => Err(NoDuration),
        }
    }
}

/// The RQD that a host runs. The programs refuse in different words, and one cannot be asked for a
/// frame (OPENCUE.md, Launch answers).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Program {
    /// The Rust RQD.
    #[default]
    Rust,
    /// `opencue-rqd`, in Python: every refusal is UNKNOWN, and so is every answer about one frame.
    Python,
}

/// Fault of a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Refuses launches as a host does that is locked by NIMBY.
    RefuseForNow,
    /// Refuses launches as a host without room does.
    RefuseForRoom,
    /// Refuses launches as a host does that cannot run the frame at all.
    RefuseForGood,
    /// Never answers any call, and does nothing.
    Stall,
    /// Launches, and then says UNAVAILABLE as if the answer had been lost. Other calls work.
    DropReplyAfterLaunch,
    /// Launches, and never answers. Other calls work.
    StallAfterLaunch,
    /// Launches, and neither lists nor finds any frame, though their cores are booked: the Python RQD
    /// during the setup of its frames.
    Unlisted,
    /// Says UNAVAILABLE to every call and does nothing. Its frames run on.
    Vanish,
}

/// A number in [0, 1) that only the seed and the frame decide.
pub(super) fn share(seed: u64, frame_id: &str) -> f64 {
    // FNV-1a over the id, then the finishing steps of SplitMix64 to spread close ids apart.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ seed;
    for byte in frame_id.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^= hash >> 31;
    // 53 bits are what a double holds exactly.
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn all(duration: FrameDuration, seed: u64) -> Vec<Duration> {
        (0..1000)
            .filter_map(|n| duration.of(seed, &format!("frame-{n}")))
            .collect()
    }

    #[test]
    fn durations_are_decided_by_seed_and_frame() {
        let uniform = FrameDuration::Uniform(SECOND, 3 * SECOND);
        assert_eq!(all(uniform, 7), all(uniform, 7));
        assert_ne!(all(uniform, 7), all(uniform, 8));
    }

    #[test]
    fn durations_have_the_shape_they_are_named_for() {
        assert!(
            all(FrameDuration::Fixed(SECOND), 1)
                .iter()
                .all(|d| *d == SECOND)
        );
        assert!(all(FrameDuration::Never, 1).is_empty());

        let uniform = all(FrameDuration::Uniform(SECOND, 3 * SECOND), 1);
        assert!(uniform.iter().all(|d| (SECOND..3 * SECOND).contains(d)));
        let mean = uniform.iter().sum::<Duration>() / 1000;
        assert!(
            (SECOND * 19 / 10..SECOND * 21 / 10).contains(&mean),
            "{mean:?}"
        );

        let exponential = all(
            FrameDuration::Exponential {
                mean: SECOND,
                max: 4 * SECOND,
            },
            1,
        );
        let mut sorted = exponential.clone();
        sorted.sort_unstable();
        let median = sorted[500];
        assert!(
            (SECOND * 6 / 10..SECOND * 8 / 10).contains(&median),
            "{median:?}"
        );
        assert_eq!(sorted[999], 4 * SECOND);
    }

    #[test]
    fn a_duration_is_read_back_from_its_text() {
        let all = [
            FrameDuration::Fixed(SECOND),
            FrameDuration::Uniform(SECOND, 2 * SECOND),
            FrameDuration::Exponential {
                mean: SECOND,
                max: 4 * SECOND,
            },
            FrameDuration::Never,
        ];
        for duration in all {
            assert_eq!(duration.to_string().parse(), Ok(duration));
        }
        for text in ["", "fixed", "fixed one", "never 1", "uniform 1 2 3"] {
            assert_eq!(text.parse::<FrameDuration>(), Err(NoDuration), "{text}");
        }
    }
}
