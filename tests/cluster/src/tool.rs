//! Running the system's programs.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail};

/// Runs a program and gives its standard output.
pub(crate) fn output(program: &str, args: &[&str]) -> Result<String> {
    let mut command = Command::new(program);
    command.args(args);
    run(&mut command, "")
}

/// Runs a command with `input` as its standard input and gives its standard output. An error carries
/// what the command printed.
pub(crate) fn run(command: &mut Command, input: &str) -> Result<String> {
    let output = finish(command, input)?;
    if !output.status.success() {
        let printed = [output.stderr, output.stdout].concat();
        let printed = String::from_utf8_lossy(&printed);
        let given = if input.is_empty() { String::new() } else { format!("\ngiven:\n{input}") };
        bail!("`{}`: {}: {}{given}", shown(command), output.status, printed.trim_end());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The same, with success or failure left to the caller.
pub(crate) fn finish(command: &mut Command, input: &str) -> Result<Output> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child =
        command.spawn().with_context(|| format!("cannot start `{}`: is it installed?", shown(command)))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends without reading says itself why.
        let _ = stdin.write_all(input.as_bytes());
    }
    child.wait_with_output().with_context(|| format!("cannot wait for `{}`", shown(command)))
}

fn shown(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Sends a signal, by its name, to a process.
pub(crate) fn signal(pid: u32, name: &str) -> Result<()> {
    // A shell has its own `kill`, so no package is needed.
    output("sh", &["-c", "kill -s \"$0\" \"$1\"", name, &pid.to_string()]).map(drop)
}
