//! `postern-cluster`: makes and removes clusters in a box, and is what runs in their pods.

use std::process::ExitCode;

fn main() -> ExitCode {
    postern_tests_cluster::command::main()
}
