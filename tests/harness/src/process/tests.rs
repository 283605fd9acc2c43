use std::process::Command;
use std::time::Duration;

use anyhow::bail;

use super::Process;

const SOON: Duration = Duration::from_secs(10);

fn shell(script: &str) -> Process {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    Process::start("the script", command).unwrap()
}

#[test]
fn a_line_of_the_log_is_waited_for() {
    let mut process = shell("echo starting; echo listening on 7 >&2; exec sleep 60");
    assert_eq!(process.wait_for_log("listening", SOON).unwrap(), "listening on 7");
}

#[test]
fn a_child_that_ends_early_is_reported_with_its_log() {
    let mut process = shell("echo the port is busy; exit 3");
    let error = process.wait_until(SOON, |_| -> anyhow::Result<()> { bail!("never") }).unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("exit status: 3") && text.contains("the port is busy"), "{text}");
}

#[test]
fn dropping_ends_the_child() {
    let process = shell("exec sleep 60");
    let folder = std::path::PathBuf::from(format!("/proc/{}", process.id()));
    assert!(folder.exists());
    drop(process);
    assert!(!folder.exists());
}

#[test]
fn the_exit_status_is_given() {
    assert_eq!(shell("exit 2").wait_for_exit(SOON).unwrap().code(), Some(2));
}
