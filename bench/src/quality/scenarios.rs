//! The scenarios: a farm, jobs, a measure, a bound.

mod caps;
mod changes;
mod farms;
mod licences;
mod places;
mod right;
mod service;
mod shares;
mod sizes;
mod wide;

use std::future::Future;
use std::pin::Pin;

pub use service::{ChildOptions, schedule};

use super::outcome::Outcome;

/// A scenario under way.
type Play = Pin<Box<dyn Future<Output = anyhow::Result<Outcome>>>>;

/// A scenario.
pub struct Scenario {
    /// The name.
    pub name: &'static str,
    /// The pass mark of OpenCue's planner.
    pub their_mark: &'static str,
    /// The figure of OpenCue's planner, where it is known.
    pub their_figure: &'static str,
    /// Returns true if it must pass before a change goes in.
    pub in_subset: bool,
    /// Plays it.
    pub play: fn() -> Play,
}

macro_rules! scenarios {
    ($($name:literal, $mark:literal, $figure:literal, $subset:literal, $play:path;)*) => {
        &[$(Scenario {
            name: $name,
            their_mark: $mark,
            their_figure: $figure,
            in_subset: $subset,
            play: || Box::pin($play()),
        },)*]
    };
}

/// All scenarios, in the order in which they are played.
pub const SCENARIOS: &[Scenario] = scenarios![
    "RIGHT_JOB", "-", "-", false, right::by_priority;
    "RIGHT_JOB_SHARE", "-", "-", false, right::by_share;
    "IDLE_CORE", "-", "-", false, right::idle_core;
    "PRIORITY", "rho ≥ 0.7, top beats bottom", "rho 0.98", false, shares::priority;
    "PRIORITIES", "-", "rho 1.00, 585 of 640 cores", false, shares::priorities;
    "PRIORITY_STARVING", "> 3 % to the low one", "-", false, shares::priority_starving;
    "NO_STARVING", "-", "-", false, shares::no_starving;
    "SHOWTIER", "tiers within 0.15, none above burst, ≥ 85 % used", "288 : 283 cores, without tiers yet", false, shares::show_tier;
    "SOLOFILL", "≥ 0.5", "-", true, shares::solo_fill;
    "TAG_KINDS", "-", "-", false, shares::tag_kinds;
    "REPLICAS", "-", "-", false, shares::replicas;
    "RESERVATIONS", "all have run", "-", false, wide::reservations;
    "WHOLE_HOSTS", "-", "start after 13 to 109 s, 480 of 640 cores", false, wide::whole_hosts;
    "LOCALITY", "≥ 15 % warm", "29 %, later 90 %", false, places::locality;
    "LAYERCAP", "never above the share, reached on 10 samples", "-", false, places::layer_cap;
    "LAYERCAP_SOLO", "≥ 85 % used", "-", false, places::layer_cap_solo;
    "PIN", "none off its list, ≥ 10 frames each", "-", true, places::pin;
    "TAGMAX", "races lost ≤ 10 %, ≥ 80 groups", "-", false, places::tag_max;
    "GPUSTRAND", "never more stranded, then none, ≥ 85 % used", "-", false, sizes::gpu_strand;
    "STRANDGROW", "≤ 40 narrow, then 80 % wide, ≥ 60 % used", "-", false, sizes::strand_grow;
    "LIMIT", "≤ 50 running", "-", true, caps::limit;
    "LICENSE", "farm + artists ≤ total, ≥ 4 frames a seat", "-", false, licences::licence;
    "FOLDER", "≤ 50 cores", "-", true, caps::folder;
    "CAPDROP", "counters within 8 cores, use only falls", "-", true, caps::cap_drop;
    "PRODENV", "counters follow, use above a cap only falls", "-", true, changes::prod_env;
    "FAILOVER", "≥ 100 frames, ≥ 3 later jobs", "-", true, service::failover;
    "COMPLETIONSTORM", "average tick ≤ 2 s, nothing lost", "-", true, service::completion_storm;
];
