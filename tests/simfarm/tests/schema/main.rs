//! Triggers and rules of the schema (OPENCUE.md, Tables), each on a fresh database.
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
