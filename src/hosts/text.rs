//! Hosts as text for the terminal.

use crate::status::{HostDetail, HostList, HostRow, HostState, RunningOn, Use};
use crate::words::{UNREPORTED_END, age_of, cores, count, memory, unreported};

/// The hosts in lines of equal columns, and a line about all of them.
pub(super) fn table(list: &HostList) -> String {
    let titles = [
        "HOST",
        "ALLOCATION",
        "STATE",
        "CORES",
        "MEMORY",
        "GPUS",
        "NOTE",
    ];
    let mut lines = vec![titles.map(str::to_owned)];
    lines.extend(list.hosts.iter().map(|host| {
        [
            host.name.clone(),
            host.allocation.clone(),
            host.state.code().to_owned(),
            amount(host.cores, cores),
            amount(host.memory, memory),
            if host.gpus.total > 0 {
                amount(host.gpus, |gpus| gpus.to_string())
            } else {
                "-".to_owned()
            },
            note(host),
        ]
    }));
    let states = list.states.iter();
    let states: Vec<String> = states
        .map(|(state, hosts)| format!("{} {}", count(*hosts), state.code()))
        .collect();
    let about = format!(
        "{} hosts, {} cores in use: {}",
        count(list.matching),
        amount(list.cores, cores),
        states.join(", ")
    );
    let hidden = list.matching.saturating_sub(list.hosts.len() as u64);
    let hidden = (hidden > 0).then(|| {
        format!(
            "{} more are not listed: give --limit or a filter\n",
            count(hidden)
        )
    });
    format!("{}{about}\n{}", aligned(&lines), hidden.unwrap_or_default())
}

/// Reasons for which nothing is booked on a host, or its owner.
pub(crate) fn note(host: &HostRow) -> String {
    let mut notes: Vec<String> = host.closed.iter().cloned().collect();
    if let Some(seconds) = host
        .silent_seconds
        .filter(|_| host.state == HostState::Silent)
    {
        notes.push(format!(
            "last report {} ago",
            age_of(seconds.saturating_mul(1000))
        ));
    }
    if let Some(backoff) = &host.backoff {
        let remaining = age_of(backoff.remaining_ms);
        notes.push(format!("backs off for {remaining} ({})", backoff.reason));
    }
    if let Some(missing) = &host.missing {
        let (missing, remaining) = (cores(missing.centicores), age_of(missing.remaining_ms));
        notes.push(format!(
            "{missing} cores missing, tried again in {remaining}"
        ));
    }
    if host.unresolved > 0 {
        let unresolved = host.unresolved;
        notes.push(format!(
            "launches of unknown outcome, about which it is asked: {unresolved}"
        ));
    }
    if let Some(reserved) = &host.reserved {
        let ready = age_of(reserved.ready_in_ms);
        let owner = if reserved.name.is_empty() {
            &reserved.layer
        } else {
            &reserved.name
        };
        notes.push(format!("kept for {owner}, ready in {ready}"));
    }
    notes.join("; ")
}

/// A host in lines, with what runs on it and its last refusals.
pub(super) fn detail(detail: &HostDetail) -> String {
    let host = &detail.host;
    let mut text = format!(
        "{} ({}): {}\n  allocation  {}\n  tags        {}\n  systems     {}\n  cores       {}\n  memory      {}\n  GPUs        {}\n",
        host.name,
        host.id,
        host.state.code(),
        host.allocation,
        host.tags.join(", "),
        host.os.join(", "),
        amount(host.cores, cores),
        amount(host.memory, memory),
        amount(host.gpus, |gpus| gpus.to_string()),
    );
    let frames = detail.running.iter().flatten();
    let lost = frames.filter(|frame| frame.unreported).count();
    let lost = (lost > 0).then(|| format!("{}; {UNREPORTED_END}", unreported(lost)));
    let notes = [Some(note(host)), lost].into_iter().flatten();
    let notes: Vec<String> = notes.filter(|note| !note.is_empty()).collect();
    let note = notes.join("; ");
    if !note.is_empty() {
        text.push_str(&format!("  note        {note}\n"));
    }
    match &detail.running {
        None => text.push_str("what runs on it cannot be read: the database does not answer\n"),
        Some(frames) if frames.is_empty() => text.push_str("nothing runs on it\n"),
        Some(frames) => text.push_str(&running(frames)),
    }
    for refusal in &detail.refusals {
        text.push_str(&format!("launch failed: {refusal}\n"));
    }
    text
}

fn running(frames: &[RunningOn]) -> String {
    let titles = ["SHOW", "JOB", "FRAME", "CORES", "MEMORY", "USED", "FOR"];
    let mut lines = vec![titles.map(str::to_owned)];
    lines.extend(frames.iter().map(|frame| {
        [
            frame.show.clone(),
            frame.job.clone(),
            frame.frame.clone(),
            cores(frame.centicores),
            memory(frame.memory_kib),
            memory(frame.used_kib),
            age_of(frame.elapsed_ms),
        ]
    }));
    aligned(&lines)
}

fn amount(amount: Use, words: impl Fn(i64) -> String) -> String {
    format!("{} of {}", words(amount.used), words(amount.total))
}

/// Lines whose columns have equal widths.
fn aligned<const N: usize>(lines: &[[String; N]]) -> String {
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
    let widths: Vec<usize> = (0..N).map(|column| width(column).unwrap_or(0)).collect();
    let line = |line: &[String; N]| {
        let cells = line.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    lines.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{Backoff, ReservedFor};

    #[test]
    fn a_table_says_why_nothing_is_booked_on_a_host() {
        let use_of = |used, total| Use { used, total };
        let host = |name: &str, state| HostRow {
            name: name.to_owned(),
            allocation: "yard.general".to_owned(),
            state,
            cores: use_of(1_600, 3_200),
            memory: use_of(1_048_576, 2_097_152),
            ..HostRow::default()
        };
        let list = HostList {
            matching: 3,
            states: [(HostState::BackingOff, 1), (HostState::Reserved, 2)].into(),
            cores: use_of(3_200, 9_600),
            hosts: vec![
                HostRow {
                    backoff: Some(Backoff {
                        reason: "launch".to_owned(),
                        remaining_ms: 4_500,
                        ..Backoff::default()
                    }),
                    unresolved: 3,
                    ..host("a", HostState::BackingOff)
                },
                HostRow {
                    reserved: Some(ReservedFor {
                        name: "shot/wide".to_owned(),
                        ready_in_ms: 180_000,
                        ..ReservedFor::default()
                    }),
                    ..host("node2", HostState::Reserved)
                },
            ],
            next: None,
        };
        let wanted = "\
HOST   ALLOCATION    STATE        CORES     MEMORY            GPUS  NOTE
a      yard.general  backing_off  16 of 32  1.0 GiB of 2.0 GiB  -     backs off for 4 s (launch); launches of unknown outcome, about which it is asked: 3
node2  yard.general  reserved     16 of 32  1.0 GiB of 2.0 GiB  -     kept for shot/wide, ready in 3 min
3 hosts, 32 of 96 cores in use: 1 backing_off, 2 reserved
1 more are not listed: give --limit or a filter
";
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeezed(&table(&list)), squeezed(wanted));
    }

    #[test]
    fn a_host_is_shown_with_a_note_about_procs_that_it_does_not_report() {
        let frame = |unreported| RunningOn {
            unreported,
            ..RunningOn::default()
        };
        let shown = |running: Vec<RunningOn>| {
            detail(&HostDetail {
                running: Some(running),
                ..HostDetail::default()
            })
        };
        let text = shown(vec![frame(true), frame(false), frame(true)]);
        let wanted =
            "note        2 procs in no report for 90 s; Cuebot clears them 300 s to 20 min";
        assert!(text.contains(wanted), "{text}");
        let text = shown(vec![frame(false)]);
        assert!(!text.contains("note"), "{text}");
    }
}
