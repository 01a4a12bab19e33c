//! The demo: a farm is made, filled with waiting frames, scheduled end to end, and audited.

mod farm;
mod options;
mod outage;
mod report;
mod watch;

use std::time::Instant;

use cue_scheduler::admin::{AdminServer, AdminState, HostNames};
use cue_scheduler::report::reader;
use cue_scheduler::start::{explainer, farm_hosts, probes};
use cue_scheduler::telemetry::TelemetryGuard;

pub use farm::{Farm, database, sized};
pub use options::Options;

use crate::dbtime;
use crate::scheduler::{Scheduler, settings};

/// Runs the demo. `false` when the audit found something.
///
/// # Errors
/// Something could not be started, or the farm got stuck.
pub async fn run(options: &Options, telemetry: &TelemetryGuard) -> anyhow::Result<bool> {
    let began = Instant::now();
    eprintln!("starting PostgreSQL and filling the farm ...");
    let mut farm = Farm::start(options).await?;
    let seeded = &farm.seeded;
    eprintln!(
        "{} hosts with {} cores, {} jobs, {} layers, {} frames, ready after {:.1} s",
        seeded.hosts,
        seeded.cores,
        seeded.jobs,
        seeded.layers,
        seeded.frames,
        began.elapsed().as_secs_f64()
    );
    let timed = dbtime::enable(&farm.pool).await?;
    let settings = settings(&[
        ("CUE_DATABASE_URL", farm.url().to_owned()),
        ("CUE_RQD_ADDRESS", farm.rqd.address().to_string()),
        ("CUE_ADMIN_ADDR", options.admin.to_string()),
    ])?;
    let mut admin = AdminServer::start(options.admin, HostNames::default()).await?;
    let address = admin.address();
    let began = Instant::now();
    let scheduler = Scheduler::start(settings).await?;
    telemetry.register(&scheduler.registry)?;
    admin.show(admin_state(&scheduler));
    eprintln!(
        "the scheduler is booking; watch it at http://{address}/ (also /metrics and /status) while it runs"
    );

    let seen = watch::watch(&mut farm, &scheduler, began, options).await?;
    let audit = show(&farm, &scheduler, &seen, timed).await?;
    if options.keep {
        eprintln!(
            "left running, as asked: database {}, metrics http://{address}/metrics; Ctrl-C ends it",
            farm.url()
        );
        tokio::signal::ctrl_c().await?;
    }
    let report = scheduler
        .pipeline
        .flow
        .drain(scheduler.settings.lifecycle.shutdown_grace)
        .await;
    scheduler.pipeline.store.close().await;
    admin.end().await;
    farm.close().await;
    anyhow::ensure!(
        report.laggards.is_empty() && report.fatal.is_none(),
        "the scheduler did not end in good order: {report:?}"
    );
    Ok(audit)
}

/// State of the demo's scheduler, for its admin server.
fn admin_state(scheduler: &Scheduler) -> AdminState {
    let pipeline = &scheduler.pipeline;
    AdminState {
        probes: probes(pipeline, &scheduler.settings),
        status: reader(pipeline, scheduler.settings.booking.dry_run),
        explainer: Some(explainer(pipeline, &scheduler.settings)),
        hosts: Some(farm_hosts(pipeline)),
        pauses: Some(pipeline.pauses.clone()),
        ..AdminState::new(scheduler.registry.clone())
    }
}

async fn show(
    farm: &Farm,
    scheduler: &Scheduler,
    seen: &watch::Seen,
    timed: bool,
) -> anyhow::Result<bool> {
    let names: Vec<String> = cue_store::statements::ALL
        .iter()
        .map(|statement| statement.name.to_owned())
        .collect();
    let figures = report::Figures {
        openings: scheduler.counter("scheduler_db_breaker_openings_total"),
        booked: scheduler.counter("scheduler_frames_dispatched_total"),
        completed: farm.completer.completed(),
        statements: scheduler.counter("scheduler_db_statements_total"),
        db: if timed {
            Some(dbtime::read(&farm.pool, Some(&names)).await?)
        } else {
            None
        },
    };
    println!(
        "{}",
        report::stages(&scheduler.pipeline.flow.control().snapshot(), seen)
    );
    println!("{}", report::farm(&figures, seen));
    let audit = farm.audit().await?;
    println!("{audit}");
    Ok(audit.is_ok())
}
