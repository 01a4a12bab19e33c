//! The scheduler end to end, on a farm in a box.

fn main() {}
