//! Turns the `.proto` files into Rust.
//!
//! The files are compiled by a compiler written in Rust, so that building needs no `protoc`.

use std::error::Error;

const FILES: [&str; 3] = ["rqd.proto", "report.proto", "host.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, ["proto"])?;
    // Methods that a server does not override answer UNIMPLEMENTED.
    tonic_prost_build::configure()
        .generate_default_stubs(true)
        .compile_fds(descriptors)?;
    Ok(())
}
