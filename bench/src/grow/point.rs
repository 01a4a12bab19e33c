//! One farm of the many: how large in each dimension.
//!
//! Invariant: a dimension changes its own number and nothing else of the base; the last one changes
//! several at once.

use std::fmt;

use clap::ValueEnum;
use cue_simfarm::seed::{FarmSpec, HostClass, Span};
use serde::Serialize;

use crate::ground::Ground;

/// Layers of a job, if there are enough.
const LAYERS_A_JOB: u64 = 4;

/// A farm. Every host has 64 cores, every frame takes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Point {
    /// Hosts.
    pub hosts: usize,
    /// Frames that wait, about.
    pub frames: u64,
    /// Shows that share the jobs.
    pub shows: usize,
    /// Manual tags. With any, half of the layers of every show ask for one of them, and every tag is on
    /// one host.
    pub tags: usize,
    /// Frames of a layer.
    pub frames_a_layer: u64,
}

/// A dimension that grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// Hosts
    Hosts,
    /// Waiting frames, in more and more jobs
    Frames,
    /// Shows
    Shows,
    /// Manual tags
    Tags,
    /// Frames of a layer, in fewer and fewer layers
    FramesALayer,
    /// Hosts and waiting frames, then shows and manual tags too
    Together,
}

impl Dimension {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Hosts,
        Self::Frames,
        Self::Shows,
        Self::Tags,
        Self::FramesALayer,
        Self::Together,
    ];

    /// Its name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hosts => "hosts",
            Self::Frames => "waiting frames",
            Self::Shows => "shows",
            Self::Tags => "manual tags",
            Self::FramesALayer => "frames a layer",
            Self::Together => "all of it",
        }
    }

    /// Coordinate of `point` in this dimension: a number, or all of it.
    #[must_use]
    pub fn of(self, point: &Point) -> String {
        match self {
            Self::Hosts => point.hosts.to_string(),
            Self::Frames => point.frames.to_string(),
            Self::Shows => point.shows.to_string(),
            Self::Tags => point.tags.to_string(),
            Self::FramesALayer => point.frames_a_layer.to_string(),
            Self::Together => point.to_string(),
        }
    }

    /// The points on the way from `base`.
    #[must_use]
    pub fn points(self, base: &Point, quick: bool) -> Vec<Point> {
        if self == Self::Together {
            return together(base, quick);
        }
        let (few, many): (&[u64], &[u64]) = match self {
            Self::Hosts => (&[300], &[1_000, 5_000, 15_000]),
            Self::Frames => (&[20_000], &[10_000, 300_000, 1_000_000]),
            Self::Shows => (&[5], &[10, 50]),
            Self::Tags => (&[100], &[10, 1_000, 5_000]),
            Self::FramesALayer => (&[1_000], &[10, 1_000, 50_000]),
            Self::Together => (&[], &[]),
        };
        let grown = |to: &u64| self.set(*base, *to);
        if quick { few } else { many }.iter().map(grown).collect()
    }

    fn set(self, mut point: Point, to: u64) -> Point {
        let size = usize::try_from(to).unwrap_or(usize::MAX);
        match self {
            Self::Hosts => point.hosts = size,
            Self::Frames => point.frames = to,
            Self::Shows => point.shows = size,
            Self::Tags => point.tags = size,
            Self::FramesALayer => point.frames_a_layer = to,
            Self::Together => {}
        }
        point
    }
}

/// The ends of the dimensions at once: hosts and frames, then shows and manual tags too.
fn together(base: &Point, quick: bool) -> Vec<Point> {
    let large = Point {
        hosts: if quick { 300 } else { 15_000 },
        frames: if quick { 20_000 } else { 1_000_000 },
        ..*base
    };
    let all = Point {
        shows: if quick { 5 } else { 50 },
        tags: if quick { 100 } else { 5_000 },
        ..large
    };
    vec![large, all]
}

impl Point {
    /// The point at which all dimensions start.
    #[must_use]
    pub const fn base(quick: bool) -> Self {
        if quick {
            return Self {
                hosts: 100,
                frames: 1_200,
                shows: 1,
                tags: 0,
                frames_a_layer: 50,
            };
        }
        Self {
            hosts: 1_200,
            frames: 60_000,
            shows: 1,
            tags: 0,
            frames_a_layer: 50,
        }
    }

    /// The farm as it is seeded, but for the tags of hosts.
    #[must_use]
    pub fn spec(&self) -> FarmSpec {
        let mut spec = FarmSpec {
            shows: self.shows,
            allocations: 1,
            hosts: vec![HostClass {
                count: self.hosts,
                cores: 64,
                memory_gib: 256,
                ..HostClass::default()
            }],
            limits: Vec::new(),
            ..FarmSpec::default()
        };
        let layers = self.frames.div_ceil(self.frames_a_layer).max(1);
        let per_job = layers.min(LAYERS_A_JOB);
        let jobs = layers.div_ceil(per_job * self.shows.max(1) as u64);
        let span = |n: u64| Span::exactly(i64::try_from(n).unwrap_or(i64::MAX));
        spec.subscription.burst = 1_000_000;
        spec.jobs.per_show = span(jobs);
        spec.jobs.max_cores = 1_000_000;
        spec.jobs.os_share = 0.0;
        spec.layers.per_job = span(per_job);
        spec.layers.frames = span(self.frames_a_layer);
        spec.layers.cores_min = vec![100];
        spec.layers.mem_min_mib = vec![1_024, 2_048];
        spec.layers.threadable_share = 0.0;
        spec.layers.gpu_share = 0.0;
        spec.layers.two_tags_share = 0.0;
        spec.host_tags.hardware_share = 0.0;
        spec.host_tags.manual = self.tag_names();
        let special = self.tags > 0;
        // A share that deals no host a tag: they are dealt by `tag_hosts`, so that none is left out.
        spec.host_tags.manual_share = if special { 1e-9 } else { 0.0 };
        spec.layers.special_tag_share = if special { 0.5 } else { 0.0 };
        spec
    }

    /// Puts every manual tag on a host.
    ///
    /// # Errors
    /// The database did not take them.
    pub async fn tag_hosts(&self, ground: &Ground) -> anyhow::Result<()> {
        sqlx::query(
            "INSERT INTO host_tag (pk_host_tag, pk_host, str_tag, str_tag_type)
             SELECT md5(t.tag)::uuid::text, h.pk_host, t.tag, 'MANUAL'
             FROM unnest($1::text[]) WITH ORDINALITY AS t (tag, place)
             JOIN (SELECT pk_host, row_number() OVER (ORDER BY pk_host) - 1 AS place FROM host) h
               ON h.place = t.place % (SELECT count(*) FROM host)",
        )
        .bind(self.tag_names())
        .execute(&ground.pool)
        .await?;
        Ok(())
    }

    fn tag_names(&self) -> Vec<String> {
        (0..self.tags).map(|n| format!("tag{n:05}")).collect()
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} hosts, {} frames in layers of {}, {} shows, {} manual tags",
            self.hosts, self.frames, self.frames_a_layer, self.shows, self.tags
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dimension_changes_only_itself() {
        let base = Point::base(false);
        for dimension in Dimension::ALL {
            for point in dimension.points(&base, false) {
                let changed = [
                    (Dimension::Hosts, point.hosts != base.hosts),
                    (Dimension::Frames, point.frames != base.frames),
                    (Dimension::Shows, point.shows != base.shows),
                    (Dimension::Tags, point.tags != base.tags),
                    (
                        Dimension::FramesALayer,
                        point.frames_a_layer != base.frames_a_layer,
                    ),
                ];
                let changed = changed.iter().filter(|(_, is)| *is).map(|(of, _)| *of);
                let changed: Vec<Dimension> = changed.collect();
                if dimension == Dimension::Together {
                    assert!(changed.len() > 1, "{point}");
                } else {
                    assert_eq!(changed, [dimension], "{point}");
                }
            }
        }
    }

    #[test]
    fn every_point_can_be_seeded_and_has_the_frames_it_says() {
        for quick in [true, false] {
            let base = Point::base(quick);
            let grown = Dimension::ALL
                .into_iter()
                .flat_map(|d| d.points(&base, quick));
            for point in std::iter::once(base).chain(grown) {
                let spec = point.spec();
                assert!(spec.check().is_ok(), "{point}");
                let jobs = spec.jobs.per_show.max * i64::try_from(point.shows).unwrap();
                let frames = jobs * spec.layers.per_job.max * spec.layers.frames.max;
                assert!(u64::try_from(frames).unwrap() >= point.frames, "{point}");
            }
        }
    }
}
