//! No frame waits while a host fits it: farms that are mixed by lot, more work than they can hold, and
//! when nothing is booked any more, every waiting frame is held against every host.
//!
//! Invariant: whether a frame fits is worked out here, from the rows and with arithmetic of its own.
//! That is simple because caps are only in the way of layers that take exactly what they ask for.

use cue_simfarm::postgres::TestDb;
use cue_simfarm::seed::{Fixture, HostSpec, LayerSpec};
use cue_simfarm::waiting::until;
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::world::{Scheduler, World, endless};

const GIB: i64 = 1_048_576;

/// Small batches, so that several are under way at a time.
const SMALL: [(&str, &str); 2] = [("CUE_BATCH_FRAMES", "20"), ("CUE_BATCH_LAYERS", "8")];

/// Numbers by lot, the same for a seed every time.
struct Lot(u64);

impl Lot {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed >> 33) % n as u64).unwrap()
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// True once in `n` times.
    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// One of the hosts of a farm.
fn any_host(lot: &mut Lot, night: &str, host: &mut HostSpec) {
    host.cores = lot.of(&[200, 400, 800, 1_600]);
    host.memory = GIB * lot.of(&[8, 16, 32, 64]);
    if lot.one_in(3) {
        host.gpus = lot.of(&[1, 2, 4]);
        host.gpu_memory = GIB * host.gpus * lot.of(&[8, 12]);
    }
    if lot.one_in(6) {
        // It takes threadable layers only.
        host.thread_mode = 1;
    }
    if lot.one_in(4) {
        host.allocation = night.to_owned();
        host.tags[0].0 = "night".to_owned();
    }
    for (tag, kind) in [("avx", "HARDWARE"), ("fx", "MANUAL")] {
        if lot.one_in(3) {
            host.tags.push((tag.to_owned(), kind));
        }
    }
}

/// One of the layers; `exact` ones take what they ask for, however much is idle.
fn any_layer(lot: &mut Lot, exact: bool, layer: &mut LayerSpec) {
    layer.frames = 5 + lot.below(20) as i64;
    layer.cores_min = lot.of(&[100, 100, 200, 300, 600]);
    layer.mem_min = GIB * lot.of(&[1, 2, 5, 14, 30]);
    layer.threadable = exact || !lot.one_in(3);
    if exact {
        layer.cores_max = i32::try_from(layer.cores_min).unwrap();
    }
    if lot.one_in(3) {
        layer.gpus_min = lot.of(&[1, 2]);
        layer.gpu_mem_min = GIB * lot.of(&[0, 4, 10]);
    }
}

/// A farm with its work.
async fn farm(seed: u64) -> TestDb {
    let mut lot = Lot(seed);
    let db = TestDb::fresh().await;
    let farm = Fixture::new(&db.pool).await.unwrap();
    let burst = 100 * (10 + lot.below(20) as i64);
    let night = farm.allocation("night", 1_000, burst).await.unwrap();
    for n in 0..16 {
        let host = |host: &mut HostSpec| any_host(&mut lot, &night.id, host);
        farm.host(&format!("node{n}"), host).await.unwrap();
    }
    for n in 0..24 {
        // A third of the jobs is capped, another one runs where the subscription is small.
        let (capped, tags) = match n % 3 {
            0 => (true, lot.of(&["general", "fx", "avx | general"])),
            1 => (false, lot.of(&["night", "night", "fx | night"])),
            _ => (false, lot.of(&["general", "general | fx", "avx"])),
        };
        let name = format!("job{n}");
        let job = farm.job(&name, |job| {
            job.priority = 1 + i32::try_from(lot.below(100)).unwrap();
            (job.max_cores, job.max_gpus) = (1_000_000, 1_000);
            if capped {
                job.max_cores = 100 * i32::try_from(1 + lot.below(9)).unwrap();
                job.max_gpus = i32::try_from(lot.below(3)).unwrap();
            }
            let mut layer = LayerSpec::new("render", tags);
            // Hosts of the small subscription carry the other tags too, save the allocation's.
            let exact = tags != "general";
            any_layer(&mut lot, exact || capped, &mut layer);
            job.layers.push(layer);
        });
        job.await.unwrap();
    }
    db
}

/// Every open host that is up, with what is idle and what its subscription still admits.
const HOSTS: &str = "SELECT h.str_name, h.int_cores_idle AS cores, h.int_gpus_idle AS gpus,
       least(h.int_mem_idle, hs.int_mem_free) AS memory,
       least(h.int_gpu_mem_idle, hs.int_gpu_mem_free) AS gpu_memory,
       h.int_thread_mode = 1 AS threadable_only, s.int_burst - s.int_cores AS rest,
       (SELECT array_agg(t.str_tag::text) FROM host_tag t WHERE t.pk_host = h.pk_host) AS tags
  FROM host h JOIN host_stat hs USING (pk_host) JOIN subscription s USING (pk_alloc)
 WHERE h.str_lock_state = 'OPEN' AND hs.str_state = 'UP'";

/// Every layer with waiting frames, with what a frame asks for and what its job's caps still admit.
const LAYERS: &str = "SELECT j.str_name AS job, l.str_tags AS tags, l.int_cores_min AS cores,
       l.int_mem_min AS memory, l.int_gpus_min AS gpus, l.int_gpu_mem_min AS gpu_memory,
       l.b_threadable AS threadable, r.int_max_cores - r.int_cores AS rest,
       r.int_max_gpus - r.int_gpus AS gpus_rest
  FROM layer l JOIN job j USING (pk_job) JOIN job_resource r USING (pk_job)
 WHERE EXISTS (SELECT FROM frame f WHERE f.pk_layer = l.pk_layer AND f.str_state = 'WAITING')";

fn number(row: &PgRow, column: &str) -> i64 {
    let small = row.try_get::<i32, _>(column).map(i64::from);
    small.or_else(|_| row.try_get(column)).unwrap()
}

/// Returns true if a frame of the layer could run on the host as the rows are now.
fn fits(layer: &PgRow, host: &PgRow) -> bool {
    let host_tags: Vec<String> = host.get("tags");
    let layer_tags: &str = layer.get("tags");
    let threadable: bool = layer.get("threadable");
    let asks = |column| number(layer, column);
    // A frame of one thread takes one core of those it wants to find idle.
    let takes = if threadable { asks("cores") } else { 100 };
    layer_tags
        .split('|')
        .any(|tag| host_tags.iter().any(|of_host| of_host == tag.trim()))
        && (threadable || !host.get::<bool, _>("threadable_only"))
        && ["cores", "memory", "gpus", "gpu_memory"]
            .iter()
            .all(|amount| asks(amount) <= number(host, amount))
        && takes <= asks("rest").min(number(host, "rest"))
        && asks("gpus") <= asks("gpus_rest")
}

/// Waiting frames and hosts that fit: which job, and on which host.
async fn fitting(world: &World) -> Vec<(String, String)> {
    let rows = |query: &'static str| sqlx::query(query).fetch_all(&world.db.pool);
    let (layers, hosts) = (rows(LAYERS).await.unwrap(), rows(HOSTS).await.unwrap());
    assert_eq!(hosts.len(), 16);
    let pairs = layers
        .iter()
        .flat_map(|layer| hosts.iter().map(move |host| (layer, host)));
    pairs
        .filter(|(layer, host)| fits(layer, host))
        .map(|(layer, host)| (layer.get("job"), host.get("str_name")))
        .collect()
}

/// Waits until a number of turns have booked nothing since one booked the last frame: enough for every
/// cluster to have looked again several times.
async fn nothing_more_is_booked(scheduler: &Scheduler) {
    let turns = |outcome| scheduler.sum_of("scheduler_pass_terminated_reason_total", outcome);
    let in_vain = || turns("saturated") + turns("no_jobs");
    let (mut booked, mut since) = (0.0, f64::INFINITY);
    until("turns that book nothing", async || {
        let now = turns("booked");
        if now > booked {
            (booked, since) = (now, in_vain());
        }
        in_vain() >= since + 40.0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn no_frame_waits_while_a_host_fits_it() {
    for seed in 1..=3 {
        let world = World::open(farm(seed).await, endless()).await;
        let before = fitting(&world).await.len();
        assert!(
            before > 30,
            "{before} pairs of layers and hosts to begin with"
        );
        let scheduler = Scheduler::start(&world, &SMALL).await;
        nothing_more_is_booked(&scheduler).await;
        let (running, waiting) = (world.frames("RUNNING").await, world.frames("WAITING").await);
        assert!(
            running > 16 && waiting > 16,
            "{running} run, {waiting} wait"
        );
        // A booking may still be on its way, however many turns have come to nothing.
        until("no frame that fits a host to wait", async || {
            let left = fitting(&world).await;
            if !left.is_empty() {
                println!("seed {seed}: {left:?} fit and wait");
            }
            left.is_empty()
        })
        .await;
        world.end(scheduler).await;
    }
}
