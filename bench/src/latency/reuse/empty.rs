//! Times for which freed cores stay empty.
//!
//! Host by host, a launch takes the cores that were freed last. Cores that were idle before stay what
//! they are: a fragment that no frame fits is not counted over and over as if it had just been freed.
//! A core that nothing takes counts with the time until the end, so none is left out.

use std::collections::HashMap;
use std::time::Instant;

use cue_simfarm::rqd::LaunchRecord;

use super::ender::End;
use crate::yard::cores_of;

/// Waits of freed cores.
#[derive(Clone, Debug, Default)]
pub struct Emptiness {
    /// One value a freed core.
    pub milliseconds: Vec<f64>,
    /// Cores that nothing took until the end.
    pub never_taken: u64,
}

enum Event {
    Freed(u64),
    Taken(u64),
}

impl Emptiness {
    /// Of the cores freed by `ends`, taken by those of `launches` that came after, until `over`.
    #[must_use]
    pub fn of(ends: &[End], launches: &[LaunchRecord], over: Instant) -> Self {
        let Some(began) = ends.iter().map(|end| end.at).min() else {
            return Self::default();
        };
        let mut hosts: HashMap<&str, Vec<(Instant, Event)>> = HashMap::new();
        for end in ends {
            let events = hosts.entry(&end.host).or_default();
            events.push((end.at, Event::Freed(end.cores)));
        }
        for launch in launches.iter().filter(|launch| launch.at >= began) {
            if let Some(events) = hosts.get_mut(&*launch.host) {
                events.push((launch.at, Event::Taken(cores_of(launch))));
            }
        }
        let mut found = Self::default();
        for events in hosts.into_values() {
            found.add_host(events, over);
        }
        found
    }

    fn add_host(&mut self, mut events: Vec<(Instant, Event)>, over: Instant) {
        events.sort_by_key(|(at, _)| *at);
        let mut freed: Vec<(Instant, u64)> = Vec::new();
        for (at, event) in events {
            match event {
                Event::Freed(cores) => freed.push((at, cores)),
                Event::Taken(cores) => self.take(&mut freed, at, cores),
            }
        }
        for (since, cores) in freed {
            self.never_taken += cores;
            self.wait(since, over, cores);
        }
    }

    fn take(&mut self, freed: &mut Vec<(Instant, u64)>, at: Instant, mut cores: u64) {
        while cores > 0 {
            // Cores taken beyond the freed ones were idle before.
            let Some((since, left)) = freed.last_mut() else {
                return;
            };
            let taken = cores.min(*left);
            let since = *since;
            *left -= taken;
            cores -= taken;
            if *left == 0 {
                freed.pop();
            }
            self.wait(since, at, taken);
        }
    }

    fn wait(&mut self, since: Instant, until: Instant, cores: u64) {
        let waited = until.saturating_duration_since(since).as_secs_f64() * 1e3;
        let cores = usize::try_from(cores).unwrap_or(0);
        self.milliseconds.extend(std::iter::repeat_n(waited, cores));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn launch(host: &str, at: Instant, cores: i32) -> LaunchRecord {
        LaunchRecord {
            host: host.into(),
            frame_id: "f".into(),
            resource_id: String::new(),
            num_cores: cores * 100,
            at,
            traceparent: None,
            run_frame: None,
        }
    }

    #[test]
    fn a_core_is_empty_from_the_end_on_its_host_to_the_launch_that_takes_it() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let end = |host: &str, ms, cores| End {
            at: at(ms),
            host: host.into(),
            cores,
        };
        let ends = [end("a", 100, 2), end("a", 200, 4), end("b", 300, 1)];
        let launches = [
            launch("a", began, 8),
            launch("a", at(250), 1),
            launch("a", at(260), 4),
            launch("c", at(400), 1),
        ];
        let mut found = Emptiness::of(&ends, &launches, at(1_000));
        found.milliseconds.sort_by(f64::total_cmp);
        let rounded: Vec<f64> = found.milliseconds.iter().map(|ms| ms.round()).collect();
        // The last freed go first: 1 and 3 of the four, then 1 of the two; one stays, and so does b's.
        assert_eq!(rounded, [50.0, 60.0, 60.0, 60.0, 160.0, 700.0, 900.0]);
        assert_eq!(found.never_taken, 2);
    }

    #[test]
    fn cores_that_were_idle_before_are_not_counted() {
        let began = Instant::now();
        let end = End {
            at: began,
            host: "a".into(),
            cores: 1,
        };
        let later = began + Duration::from_millis(10);
        let found = Emptiness::of(&[end], &[launch("a", later, 8)], later);
        assert_eq!(found.milliseconds.len(), 1);
        assert_eq!(found.never_taken, 0);
    }
}
