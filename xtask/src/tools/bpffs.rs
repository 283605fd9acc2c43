//! The BPF file system, in which a node pins what is to outlive its agent. Most systems mount it at boot.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::exec;

const PLACE: &str = "/sys/fs/bpf";

/// Mounts it where it is missing.
pub(crate) fn ensure() -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("this is not Linux")?;
    if is_mounted(&mounts) {
        return Ok(());
    }
    println!("mounting the BPF file system at {PLACE}");
    exec::run(Command::new("mount").args(["-t", "bpf", "bpf", PLACE]))
        .with_context(|| format!("there is no BPF file system at {PLACE}: mounting one takes root"))
}

fn is_mounted(mounts: &str) -> bool {
    mounts.lines().any(|line| {
        let mut fields = line.split(' ').skip(1);
        fields.next() == Some(PLACE) && fields.next() == Some("bpf")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bpf_file_system_in_its_place_counts() {
        assert!(is_mounted("sysfs /sys sysfs rw 0 0\nbpf /sys/fs/bpf bpf rw,mode=700 0 0\n"));
        assert!(!is_mounted(
            "sysfs /sys sysfs rw 0 0\nbpf /mnt/bpf bpf rw 0 0\ntmpfs /sys/fs/bpf tmpfs rw 0 0\n"
        ));
    }
}
