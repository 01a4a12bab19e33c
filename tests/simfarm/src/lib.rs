//! A farm in a box: PostgreSQL, schema, seeding, simulated RQDs, audit.

pub mod audit;
pub mod completion;
pub mod cuebot;
pub mod dice;
pub mod foreign;
pub mod metrics;
pub mod postgres;
pub mod rqd;
pub mod schema;
pub mod seed;
pub mod waiting;
