//! A small farm in a fresh database, and the few things that tests do with it.
//!
//! Ids are short words, so that statements can be read: show `s`, allocation `a`, folder `f`,
//! department `d`, job `j` with layers `l1` and `l2`, six waiting frames `x1` to `x6` in `l1`,
//! and host `h` with 32 cores.

#![expect(
    clippy::panic,
    reason = "a test whose statement fails ends there, with the statement"
)]

use cue_simfarm::postgres::TestDb;
use cue_simfarm::schema::SchemaVersion;
use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row as _, Type};

const SEED: &str = "
    insert into facility (pk_facility, str_name) values ('fac', 'fac');
    insert into dept (pk_dept, str_name) values ('d', 'd'), ('d2', 'd2');
    insert into show (pk_show, str_name) values ('s', 's');
    insert into show (pk_show, str_name, b_scheduler_managed) values ('managed', 'managed', true);
    insert into alloc (pk_alloc, str_name, str_tag, pk_facility) values ('a', 'fac.a', 't', 'fac');
    insert into subscription (pk_subscription, pk_alloc, pk_show, int_size, int_burst)
        values ('sub', 'a', 's', 1000, 500), ('sub2', 'a', 'managed', 0, 500);
    insert into folder (pk_folder, pk_show, pk_dept, str_name) values ('f', 's', 'd', 'f'), ('f2', 's', 'd', 'f2');
    insert into point (pk_point, pk_dept, pk_show) values ('p', 'd', 's'), ('p2', 'd2', 's');
    insert into job (pk_job, pk_folder, pk_show, pk_facility, pk_dept, str_name, str_visible_name, str_shot, str_user, str_state)
        values ('j', 'f', 's', 'fac', 'd', 'j', 'j', 'shot', 'user', 'PENDING');
    insert into layer (pk_layer, pk_job, str_name, str_cmd, str_range, str_type)
        values ('l1', 'j', 'l1', 'true', '1-6', 'RENDER'), ('l2', 'j', 'l2', 'true', '1-6', 'RENDER');
    insert into frame (pk_frame, pk_layer, pk_job, str_name, str_state, int_number, int_layer_order)
        select 'x' || n, 'l1', 'j', 'x' || n, 'WAITING', n, 1 from generate_series(1, 6) n;
    update layer_stat set int_total_count = 6, int_waiting_count = 6 where pk_layer = 'l1';
    update job_stat set int_waiting_count = 6;
    insert into host (pk_host, pk_alloc, str_name, str_lock_state, int_cores, int_cores_idle,
                      int_mem, int_mem_idle, int_gpus, int_gpus_idle, int_gpu_mem, int_gpu_mem_idle)
        values ('h', 'a', 'h.name', 'OPEN', 3200, 3200, 1000, 1000, 2, 2, 50, 50);
    insert into host_stat (pk_host_stat, pk_host) values ('h', 'h');
";

/// The farm and its database, which is dropped with it.
pub struct Farm {
    db: TestDb,
}

impl Farm {
    /// A fresh farm.
    pub async fn new() -> Self {
        Self::at(SchemaVersion::default()).await
    }

    /// A fresh farm whose schema has a version.
    pub async fn at(version: SchemaVersion) -> Self {
        let farm = Self {
            db: TestDb::at(version).await,
        };
        farm.run(SEED).await;
        farm
    }

    /// Migrates the farm to a later version.
    pub async fn migrate_to(&self, version: SchemaVersion) {
        if let Err(error) = self.db.migrate_to(version).await {
            panic!("{:#}", anyhow::Error::from(error));
        }
    }

    /// Runs statements that must succeed.
    pub async fn run(&self, sql: &'static str) {
        if let Err(error) = sqlx::raw_sql(sql).execute(&self.db.pool).await {
            panic!("{error}, in: {sql}");
        }
    }

    /// Runs a statement that must fail; gives its SQLSTATE and its message.
    pub async fn refused(&self, sql: &'static str) -> (String, String) {
        match sqlx::raw_sql(sql).execute(&self.db.pool).await {
            Ok(_) => panic!("not refused: {sql}"),
            Err(sqlx::Error::Database(error)) => (
                error.code().unwrap_or_default().into_owned(),
                error.message().to_owned(),
            ),
            Err(error) => panic!("{error}, in: {sql}"),
        }
    }

    /// A statement must be refused by a trigger with this message.
    pub async fn refuses(&self, sql: &'static str, message: &str) {
        let refused = self.refused(sql).await;
        assert_eq!(refused, ("P0001".to_owned(), message.to_owned()), "{sql}");
    }

    /// A query must return one row with this text.
    pub async fn shows(&self, sql: &'static str, text: &str) {
        assert_eq!(self.text(sql).await, text, "{sql}");
    }

    /// The only value of the only row.
    pub async fn one<T>(&self, sql: &'static str) -> T
    where
        T: for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        self.row(sql).await.get(0)
    }

    /// The only row, as one text with spaces between its values; a NULL is a dash.
    pub async fn text(&self, sql: &'static str) -> String {
        let row = self.row(sql).await;
        let values = (0..row.len()).map(|i| row.get::<Option<String>, _>(i));
        values
            .map(|v| v.unwrap_or_else(|| "-".to_owned()))
            .collect::<Vec<_>>()
            .join(" ")
    }

    async fn row(&self, sql: &'static str) -> PgRow {
        let rows = sqlx::query(sql).fetch_all(&self.db.pool).await;
        let mut rows = rows.unwrap_or_else(|error| panic!("{error}, in: {sql}"));
        assert_eq!(rows.len(), 1, "rows of: {sql}");
        rows.remove(0)
    }
}
