//! The rows that describe a site: facility, shows, allocations, folders, limits and hosts.
//!
//! Each function writes all rows of its kind in one statement a table. Rows that a trigger makes
//! (`folder_level`, `folder_resource`) are only adjusted.
//!
//! Invariant: a host is written idle, with the memory that Cuebot would rent out of what the
//! machine reports.

use sqlx::PgConnection;

use super::seeded::Named;

/// KiB in a GiB.
pub(super) const GIB: i64 = 1_048_576;

/// KiB that Cuebot holds back of a host's memory.
pub(super) const HELD_BACK: i64 = 524_288;

/// Everything a job and a host refer to.
#[derive(Debug)]
pub(super) struct Sites {
    pub facility: Named,
    pub dept: Named,
    pub shows: Vec<Named>,
    pub scheduler_managed: bool,
    /// Named by their tags.
    pub allocations: Vec<Named>,
    pub subscriptions: Vec<SubscriptionRow>,
    pub folders: Vec<FolderRow>,
    /// One id for each show.
    pub points: Vec<String>,
    pub limits: Vec<LimitRow>,
}

/// A subscription; amounts in centicores.
#[derive(Debug)]
pub(super) struct SubscriptionRow {
    pub id: String,
    pub show: String,
    pub allocation: String,
    pub size: i64,
    pub burst: i64,
}

/// A folder; caps in centicores and GPUs, -1 is none.
#[derive(Debug)]
pub(super) struct FolderRow {
    pub id: String,
    pub parent: Option<String>,
    pub show: String,
    pub name: String,
    pub max_cores: i32,
    pub max_gpus: i32,
}

/// A limit; at most `max` running frames.
#[derive(Debug)]
pub(super) struct LimitRow {
    pub id: String,
    pub name: String,
    pub max: i32,
}

/// A host to be written. Public, so that tests can change any value before it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSpec {
    /// The id.
    pub id: String,
    /// The name that is dialled.
    pub name: String,
    /// The id of its allocation.
    pub allocation: String,
    /// Centicores.
    pub cores: i64,
    /// Memory as the machine reports it, KiB; the row gets less, see [`HostSpec::rented_memory`].
    pub memory: i64,
    /// GPUs.
    pub gpus: i64,
    /// Memory of all GPUs, KiB.
    pub gpu_memory: i64,
    /// Operating system, or a comma list of them.
    pub os: String,
    /// `host.int_thread_mode`: 0 auto, 1 all, 2 variable.
    pub thread_mode: i32,
    /// `OPEN`, `LOCKED` or `NIMBY_LOCKED`.
    pub lock_state: String,
    /// `UP`, `DOWN`, `REBOOTING`, `REBOOT_WHEN_IDLE` or `REPAIR`.
    pub state: String,
    /// Tags with their types `ALLOC`, `HOSTNAME`, `HARDWARE` or `MANUAL`.
    pub tags: Vec<(String, &'static str)>,
}

impl HostSpec {
    /// Memory that Cuebot lends out (OPENCUE.md, Words and units), KiB: whole GiB rounded up, less half a GiB.
    #[must_use]
    pub fn rented_memory(&self) -> i64 {
        let whole = self.memory.saturating_add(GIB - 1) / GIB;
        whole.saturating_mul(GIB).saturating_sub(HELD_BACK).max(0)
    }

    /// The copy of the tags in the host's row: ordered by type, then by tag.
    fn joined_tags(&self) -> String {
        let mut tags: Vec<(&str, &str)> = self
            .tags
            .iter()
            .map(|(tag, kind)| (*kind, tag.as_str()))
            .collect();
        tags.sort_unstable();
        tags.into_iter()
            .map(|(_, tag)| tag)
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// One column of many rows.
pub(super) fn column<'a, R, T>(rows: &'a [R], value: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// Writes facility, department, shows and all that hangs on them.
pub(super) async fn insert_sites(conn: &mut PgConnection, sites: &Sites) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO facility (pk_facility, str_name) VALUES ($1, $2)")
        .bind(&sites.facility.id)
        .bind(&sites.facility.name)
        .execute(&mut *conn)
        .await?;
    sqlx::query("INSERT INTO dept (pk_dept, str_name) VALUES ($1, $2)")
        .bind(&sites.dept.id)
        .bind(&sites.dept.name)
        .execute(&mut *conn)
        .await?;
    insert_shows(conn, sites).await?;
    insert_allocations(conn, sites).await?;
    insert_folders(conn, &sites.folders, &sites.dept.id).await?;
    insert_limits(conn, &sites.limits).await
}

async fn insert_shows(conn: &mut PgConnection, sites: &Sites) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO show (pk_show, str_name, b_scheduler_managed)
         SELECT s.id, s.name, $3
           FROM unnest($1::text[], $2::text[]) AS s (id, name)",
    )
    .bind(column(&sites.shows, |show| show.id.as_str()))
    .bind(column(&sites.shows, |show| show.name.as_str()))
    .bind(sites.scheduler_managed)
    .execute(&mut *conn)
    .await?;
    sqlx::query("INSERT INTO show_stats (pk_show) SELECT unnest($1::text[])")
        .bind(column(&sites.shows, |show| show.id.as_str()))
        .execute(&mut *conn)
        .await?;
    sqlx::query(
        "INSERT INTO point (pk_point, pk_dept, pk_show)
         SELECT p.id, $3, p.show
           FROM unnest($1::text[], $2::text[]) AS p (id, show)",
    )
    .bind(&sites.points)
    .bind(column(&sites.shows, |show| show.id.as_str()))
    .bind(&sites.dept.id)
    .execute(&mut *conn)
    .await?;
    Ok(())
}

async fn insert_allocations(conn: &mut PgConnection, sites: &Sites) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO alloc (pk_alloc, str_name, str_tag, pk_facility)
         SELECT a.id, $4 || '.' || a.tag, a.tag, $3
           FROM unnest($1::text[], $2::text[]) AS a (id, tag)",
    )
    .bind(column(&sites.allocations, |alloc| alloc.id.as_str()))
    .bind(column(&sites.allocations, |alloc| alloc.name.as_str()))
    .bind(&sites.facility.id)
    .bind(&sites.facility.name)
    .execute(&mut *conn)
    .await?;
    insert_subscriptions(conn, &sites.subscriptions).await
}

/// Writes subscriptions.
pub(super) async fn insert_subscriptions(
    conn: &mut PgConnection,
    rows: &[SubscriptionRow],
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO subscription (pk_subscription, pk_show, pk_alloc, int_size, int_burst)
         SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])",
    )
    .bind(column(rows, |row| row.id.as_str()))
    .bind(column(rows, |row| row.show.as_str()))
    .bind(column(rows, |row| row.allocation.as_str()))
    .bind(column(rows, |row| row.size))
    .bind(column(rows, |row| row.burst))
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes folders, parents first, and sets the caps on the rows that the trigger made.
pub(super) async fn insert_folders(
    conn: &mut PgConnection,
    rows: &[FolderRow],
    dept: &str,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO folder (pk_folder, pk_parent_folder, pk_show, str_name, pk_dept)
         SELECT f.id, f.parent, f.show, f.name, $5
           FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
                WITH ORDINALITY AS f (id, parent, show, name, place)
          ORDER BY f.place",
    )
    .bind(column(rows, |row| row.id.as_str()))
    .bind(column(rows, |row| row.parent.as_deref()))
    .bind(column(rows, |row| row.show.as_str()))
    .bind(column(rows, |row| row.name.as_str()))
    .bind(dept)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "UPDATE folder_resource AS r
            SET int_max_cores = f.cores, int_max_gpus = f.gpus
           FROM unnest($1::text[], $2::int[], $3::int[]) AS f (id, cores, gpus)
          WHERE r.pk_folder = f.id",
    )
    .bind(column(rows, |row| row.id.as_str()))
    .bind(column(rows, |row| row.max_cores))
    .bind(column(rows, |row| row.max_gpus))
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes limits.
pub(super) async fn insert_limits(conn: &mut PgConnection, rows: &[LimitRow]) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO limit_record (pk_limit_record, str_name, int_max_value)
         SELECT * FROM unnest($1::text[], $2::text[], $3::int[])",
    )
    .bind(column(rows, |row| row.id.as_str()))
    .bind(column(rows, |row| row.name.as_str()))
    .bind(column(rows, |row| row.max))
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes idle hosts with their statistics and tags.
pub(super) async fn insert_hosts(conn: &mut PgConnection, rows: &[HostSpec]) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO host (pk_host, pk_alloc, str_name, str_lock_state, int_thread_mode, str_tags,
                           int_cores, int_cores_idle, int_mem, int_mem_idle,
                           int_gpus, int_gpus_idle, int_gpu_mem, int_gpu_mem_idle, int_procs)
         SELECT h.id, h.alloc, h.name, h.lock, h.mode, left(h.tags, 128),
                h.cores, h.cores, h.mem, h.mem, h.gpus, h.gpus, h.gpu_mem, h.gpu_mem, 1
           FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[], $6::text[],
                       $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[])
                AS h (id, alloc, name, lock, mode, tags, cores, mem, gpus, gpu_mem)",
    )
    .bind(column(rows, |row| row.id.as_str()))
    .bind(column(rows, |row| row.allocation.as_str()))
    .bind(column(rows, |row| row.name.as_str()))
    .bind(column(rows, |row| row.lock_state.as_str()))
    .bind(column(rows, |row| row.thread_mode))
    .bind(column(rows, HostSpec::joined_tags))
    .bind(column(rows, |row| row.cores))
    .bind(column(rows, HostSpec::rented_memory))
    .bind(column(rows, |row| row.gpus))
    .bind(column(rows, |row| row.gpu_memory))
    .execute(&mut *conn)
    .await?;
    insert_host_stats(conn, rows).await?;
    insert_host_tags(conn, rows).await
}

async fn insert_host_stats(conn: &mut PgConnection, rows: &[HostSpec]) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO host_stat (pk_host_stat, pk_host, int_mem_total, int_mem_free,
                                int_gpu_mem_total, int_gpu_mem_free, str_state, str_os)
         SELECT h.id, h.id, h.mem, h.mem, h.gpu_mem, h.gpu_mem, h.state, h.os
           FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[])
                AS h (id, mem, gpu_mem, state, os)",
    )
    .bind(column(rows, |row| row.id.as_str()))
    .bind(column(rows, |row| row.memory))
    .bind(column(rows, |row| row.gpu_memory))
    .bind(column(rows, |row| row.state.as_str()))
    .bind(column(rows, |row| row.os.as_str()))
    .execute(conn)
    .await?;
    Ok(())
}

async fn insert_host_tags(conn: &mut PgConnection, rows: &[HostSpec]) -> sqlx::Result<()> {
    let tags: Vec<(&str, &str, &str)> = rows
        .iter()
        .flat_map(|row| {
            row.tags
                .iter()
                .map(|(tag, kind)| (row.id.as_str(), tag.as_str(), *kind))
        })
        .collect();
    // The id is made of what is unique about the row, so that one seed gives one set of ids.
    sqlx::query(
        "INSERT INTO host_tag (pk_host_tag, pk_host, str_tag, str_tag_type, b_constant)
         SELECT md5(t.host || t.kind || t.tag)::uuid::text, t.host, t.tag, t.kind, t.kind = 'ALLOC'
           FROM unnest($1::text[], $2::text[], $3::text[]) AS t (host, tag, kind)",
    )
    .bind(column(&tags, |tag| tag.0))
    .bind(column(&tags, |tag| tag.1))
    .bind(column(&tags, |tag| tag.2))
    .execute(conn)
    .await?;
    Ok(())
}
