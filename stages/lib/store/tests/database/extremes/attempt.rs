//! Attempts: values in rows of the tried job, show or host, everything that reads them, and the rows as they were.

use std::collections::BTreeSet;

use cue_simfarm::seed::Launched;
use cue_store::StoreError;

use super::world::{World, run};

/// Tables that statements read, and the rows that are changed.
const ROWS: &[(&str, &str)] = &[
    ("facility", "str_name = 'yard'"),
    ("alloc", "pk_alloc = 'tried'"),
    ("folder", "pk_folder = 'beta'"),
    ("show", "pk_show = 'beta'"),
    ("subscription", "pk_show = 'beta'"),
    ("folder_resource", "pk_folder = 'beta'"),
    ("point", "pk_show = 'beta'"),
    ("job", "pk_job = '{job}'"),
    ("job_resource", "pk_job = '{job}'"),
    ("job_stat", "pk_job = '{job}'"),
    ("layer", "pk_job = '{job}'"),
    ("layer_stat", "pk_job = '{job}'"),
    ("layer_resource", "pk_job = '{job}'"),
    ("layer_usage", "pk_job = '{job}'"),
    ("frame", "pk_job = '{job}'"),
    ("host", "str_name = 'victim'"),
    (
        "host_stat",
        "pk_host IN (SELECT pk_host FROM host WHERE str_name = 'victim')",
    ),
    (
        "host_tag",
        "pk_host IN (SELECT pk_host FROM host WHERE str_name = 'victim')",
    ),
    ("job_env", "pk_job = '{job}'"),
    ("layer_env", "pk_job = '{job}'"),
    ("limit_host", "str_user = 'victim'"),
    ("proc", "pk_job = '{runs}'"),
    ("limit_record", "str_name = 'victim'"),
    (
        "limit_usage",
        "pk_limit_record IN (SELECT pk_limit_record FROM limit_record WHERE str_name = 'victim')",
    ),
];

/// Tables whose rows concern the whole show.
const WIDE: &[&str] = &[
    "alloc",
    "facility",
    "folder",
    "folder_resource",
    "point",
    "show",
    "subscription",
];

/// Values for columns of a table.
pub struct Case {
    pub table: &'static str,
    rows: String,
    /// Columns, with their values as SQL writes them.
    pub set: Vec<(String, String)>,
}

/// Outcome of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// Triggers of OpenCue refuse the values, or they do not fit the type.
    Illegal,
    Fine,
    /// A booking or an undo of the row was refused, and no other.
    Refused,
}

impl Case {
    /// A case for each of these values of each column, of every table.
    pub async fn all(world: &World, values: impl Fn(&str, &str) -> Vec<String>) -> Vec<Self> {
        let columns = "SELECT column_name::text, data_type::text FROM information_schema.columns
                       WHERE table_name = $1 AND table_schema = 'public' ORDER BY ordinal_position";
        let mut cases = Vec::new();
        for (table, _) in ROWS {
            let columns = sqlx::query_as::<_, (String, String)>(columns).bind(table);
            for (column, kind) in columns.fetch_all(&world.db.pool).await.unwrap() {
                let one = |value| Self::new(world, table, vec![(column.clone(), value)]);
                cases.extend(values(&column, &kind).into_iter().map(one));
            }
        }
        cases
    }

    pub fn new(world: &World, table: &'static str, set: Vec<(String, String)>) -> Self {
        let (_, rows) = ROWS.iter().find(|(name, _)| *name == table).unwrap();
        Self {
            table,
            rows: world.filled(rows),
            set,
        }
    }

    /// Tries the values, and puts the rows back as they were.
    pub async fn attempt(&self, world: &World) -> Result<Tried, String> {
        let Self { table, rows, set } = self;
        let pool = &world.db.pool;
        run(
            pool,
            format!("CREATE TABLE kept AS SELECT * FROM {table} WHERE {rows}"),
        )
        .await
        .unwrap();
        let list = |item: fn(&(String, String)) -> String| {
            set.iter().map(item).collect::<Vec<_>>().join(", ")
        };
        let new = list(|(column, value)| format!("{column} = {value}"));
        let tried = match run(pool, format!("UPDATE {table} SET {new} WHERE {rows}")).await {
            Err(_) => Ok(Tried::Illegal),
            Ok(changed) => {
                assert!(changed > 0, "{table} has no row where {rows}");
                in_use(world, table).await
            }
        };
        let key = match *table {
            "limit_usage" => "pk_limit_record".to_owned(),
            _ => format!("pk_{table}"),
        };
        let old = list(|(column, _)| format!("{column} = kept.{column}"));
        let back = format!(
            "SET session_replication_role = replica;
             UPDATE {table} t SET {old} FROM kept WHERE t.{key} = kept.{key};
             SET session_replication_role = origin; DROP TABLE kept"
        );
        run(pool, back).await.unwrap();
        world.heal().await.map_err(chain)?;
        tried
    }
}

async fn in_use(world: &World, table: &str) -> Result<Tried, String> {
    world.look().await.map_err(chain)?;
    let refused = world.turn(table).await?;
    world.heal().await.map_err(chain)?;
    Ok(if refused { Tried::Refused } else { Tried::Fine })
}

impl World {
    /// Books what is sound, records and takes back. Returns whether the tried job kept others from it.
    async fn turn(&self, table: &str) -> Result<bool, String> {
        let [victim, beside, sound] = [0, 1, 2].map(|n| (&self.jobs[n], &self.hosts[n]));
        let narrow = !WIDE.contains(&table);
        let (booked, refused) = match self.book(&[victim, beside, sound]).await {
            Ok(booked) => (booked, false),
            Err(_of_the_victim) => {
                let others: &[_] = if narrow { &[beside, sound] } else { &[sound] };
                (self.book(others).await.map_err(chain)?, true)
            }
        };
        let of = |job: &Launched| {
            let frames: BTreeSet<&str> = job
                .layers
                .iter()
                .flat_map(|layer| &layer.frames)
                .map(String::as_str)
                .collect();
            booked
                .iter()
                .filter(|row| frames.contains(row.frame.as_str()))
                .count()
        };
        if of(sound.0) != 4 || narrow && of(beside.0) != 4 {
            return Err(format!(
                "booked {} sound frames and {} beside",
                of(sound.0),
                of(beside.0)
            ));
        }
        let pairs: Vec<_> = booked
            .iter()
            .map(|row| (row.proc.clone(), row.frame.clone()))
            .collect();
        self.store
            .acknowledge_launches(&pairs)
            .await
            .map_err(chain)?;
        let undone = self.store.undo(&booked).await.map_err(chain)?;
        let left = booked
            .iter()
            .filter(|row| !undone.procs.contains(&row.proc))
            .count();
        let of_victim = of(victim.0);
        if left > 0 && left != of_victim {
            return Err(format!(
                "{left} of {} bookings were not taken back, {of_victim} of the victim",
                booked.len()
            ));
        }
        Ok(refused || left > 0)
    }

    fn filled(&self, text: &str) -> String {
        text.replace("{job}", &self.jobs[0].id)
            .replace("{runs}", &self.running.id)
    }
}

fn chain(error: StoreError) -> String {
    let source = std::error::Error::source(&error).map(ToString::to_string);
    format!("{error}: {}", source.unwrap_or_default())
}
