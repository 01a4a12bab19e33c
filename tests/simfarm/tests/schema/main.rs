//! What the schema does by itself, as the contract lists it (section 3), each on a fresh database.
//!
//! The tests speak plain SQL, as Cuebot and a scheduler do, and know the schema by its names, its
//! effects and its error texts, never by how a function is written.

mod farm;
mod frames;
mod ledgers;
mod life;
mod migrations;
mod shape;
mod steps;
