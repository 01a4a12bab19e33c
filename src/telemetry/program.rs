//! Metrics of the program: its build, and the resources that its process uses, as Linux counts them.
//!
//! The names are those of Prometheus's own client libraries. A value that the system does not give is left out.

use std::collections::HashMap;
use std::fs;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, Metric, MetricFamily, MetricType};
use prometheus::{IntGaugeVec, Registry};
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

cue_flow::metrics! {
    /// The build of the program.
    struct Build {
        info: IntGaugeVec = "scheduler_build_info", "Always 1, with the version of the program", &["version"];
    }
}

/// Registers the metrics.
pub(super) fn register(registry: &Registry) -> Result<(), prometheus::Error> {
    let build = Build::new(registry)?;
    let version = env!("CARGO_PKG_VERSION");
    build.info.with_label_values(&[version]).set(1);
    registry.register(Box::new(Process::new()?))
}

/// A family: name, help, type, and its value in a reading.
type Family = (
    &'static str,
    &'static str,
    MetricType,
    fn(&Usage) -> Option<f64>,
);

const FAMILIES: [Family; 7] = [
    (
        "process_cpu_seconds_total",
        "Processor time of the process, in user and system mode",
        MetricType::COUNTER,
        |usage| usage.cpu_seconds,
    ),
    (
        "process_resident_memory_bytes",
        "Memory of the process that is resident",
        MetricType::GAUGE,
        |usage| usage.resident_bytes,
    ),
    (
        "process_virtual_memory_bytes",
        "Size of the address space of the process",
        MetricType::GAUGE,
        |usage| usage.virtual_bytes,
    ),
    (
        "process_open_fds",
        "Open file descriptors",
        MetricType::GAUGE,
        |usage| usage.open_files,
    ),
    (
        "process_max_fds",
        "File descriptors that may be open",
        MetricType::GAUGE,
        |usage| usage.most_files,
    ),
    (
        "process_threads",
        "Threads of the process",
        MetricType::GAUGE,
        |usage| usage.threads,
    ),
    (
        "process_start_time_seconds",
        "Unix time at which the process started",
        MetricType::GAUGE,
        |usage| usage.started_seconds,
    ),
];

/// Resources of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Usage {
    cpu_seconds: Option<f64>,
    resident_bytes: Option<f64>,
    virtual_bytes: Option<f64>,
    open_files: Option<f64>,
    most_files: Option<f64>,
    threads: Option<f64>,
    started_seconds: Option<f64>,
}

impl Usage {
    /// Reads the usage of this process.
    fn read() -> Self {
        let files = fs::read_dir("/proc/self/fd").ok();
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let system = fs::read_to_string("/proc/stat").unwrap_or_default();
        Self {
            // One of them is open for this count.
            open_files: files.map(|files| files.count().saturating_sub(1) as f64),
            most_files: getrlimit(Resource::Nofile).current.map(|most| most as f64),
            ..Self::of_stat(&stat, booted(&system))
        }
    }

    /// Usage by the line of the process in `/proc`, and the time at which the system was booted.
    fn of_stat(stat: &str, booted: Option<f64>) -> Self {
        // The second field is the name of the program in brackets, which may hold anything.
        let after_name = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
        // The numbers are those of the manual of proc(5), in which the state is the third field.
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        let ticks = clock_ticks_per_second() as f64;
        Self {
            cpu_seconds: field(14)
                .zip(field(15))
                .map(|(user, system)| (user + system) / ticks),
            threads: field(20),
            started_seconds: field(22)
                .zip(booted)
                .map(|(after, booted)| booted + after / ticks),
            virtual_bytes: field(23),
            resident_bytes: field(24).map(|pages| pages * page_size() as f64),
            ..Self::default()
        }
    }
}

/// Unix time at which the system was booted.
fn booted(system: &str) -> Option<f64> {
    let lines = system.lines();
    let mut times = lines.filter_map(|line| line.strip_prefix("btime "));
    times.next()?.trim().parse().ok()
}

/// The process, which is read when it is scraped.
struct Process(Vec<Desc>);

impl Process {
    fn new() -> Result<Self, prometheus::Error> {
        let families = FAMILIES.iter().map(|(name, help, ..)| {
            Desc::new(
                (*name).to_owned(),
                (*help).to_owned(),
                vec![],
                HashMap::new(),
            )
        });
        Ok(Self(families.collect::<Result<_, _>>()?))
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        self.0.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let usage = Usage::read();
        let families = FAMILIES.iter().filter_map(|(name, help, kind, value)| {
            let value = value(&usage)?;
            let mut metric = Metric::default();
            if *kind == MetricType::COUNTER {
                let mut counter = Counter::default();
                counter.set_value(value);
                metric.set_counter(counter);
            } else {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                metric.set_gauge(gauge);
            }
            let mut family = MetricFamily::default();
            family.set_name((*name).to_owned());
            family.set_help((*help).to_owned());
            family.set_field_type(*kind);
            family.set_metric(vec![metric]);
            Some(family)
        });
        families.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_shifts_no_field() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 300 4096 2 0";
        let usage = Usage::of_stat(stat, booted("cpu 1 2\nbtime 1000\n"));
        let ticks = clock_ticks_per_second() as f64;
        assert_eq!(usage.cpu_seconds, Some(300.0 / ticks));
        assert_eq!(usage.threads, Some(9.0));
        assert_eq!(usage.started_seconds, Some(1000.0 + 300.0 / ticks));
        assert_eq!(usage.virtual_bytes, Some(4096.0));
        assert_eq!(usage.resident_bytes, Some(2.0 * page_size() as f64));
        assert_eq!(Usage::of_stat("", None), Usage::default());
    }

    #[test]
    fn the_numbers_are_those_of_this_process() {
        let before = Usage::read();
        let held: Vec<fs::File> = (0..8)
            .map(|_| fs::File::open("/proc/self/stat").unwrap())
            .collect();
        let after = Usage::read();
        // Other tests of this process open and close files meanwhile, but no test as many as it could.
        assert!(after.open_files.unwrap() >= held.len() as f64, "{after:?}");
        assert!(after.open_files < after.most_files);
        assert!(after.cpu_seconds >= before.cpu_seconds);
        assert!(after.resident_bytes.unwrap() > 1e6 && after.resident_bytes < after.virtual_bytes);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let age = now.as_secs_f64() - after.started_seconds.unwrap();
        assert!((-2.0..3_600.0).contains(&age), "{age} s old");
    }
}
