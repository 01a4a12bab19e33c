//! The demand index by example, and against naive models of its parts.

mod asked;
mod cost;
mod deal;
mod farm;
mod fixture;
mod gpus;
mod order;
mod paused;
mod pick;
mod queued;
mod reserved;
mod rows;
mod shares;
mod spares;
mod supply;
mod trial;
