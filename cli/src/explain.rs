//! `postern explain`.

use std::fmt::Write as _;
use std::net::IpAddr;

use anyhow::anyhow;
use clap::CommandFactory;
use clap::error::ErrorKind;
use postern_policy_core::decide::Verdict;
use postern_policy_core::explain::{End, Explanation, Question, explain};
use postern_policy_core::http::Request;
use postern_policy_core::policy::RuleId;
use postern_policy_core::port::Protocol;
use postern_policy_core::world::WorkloadName;
use serde::Serialize;

use crate::cli::Cli;
use crate::inputs::InputArgs;
use crate::output::{Format, Outcome, Style, print, print_json};

/// Say what happens to a connection or request, and why
///
/// Both ends' policies are asked: the egress of the one, the ingress of the other. Exits with 1 if it is denied.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  postern explain --policy rule1.yaml --inventory pods.yaml \\
    --from default/app2 --to default/app1 --port 80 --method GET --path /private")]
pub(crate) struct Args {
    #[command(flatten)]
    inputs: InputArgs,
    /// Who connects: NAMESPACE/NAME, or an IP address
    #[arg(long, value_name = "END")]
    from: String,
    /// To whom: NAMESPACE/NAME, or an IP address
    #[arg(long, value_name = "END")]
    to: String,
    /// To which port
    #[arg(long)]
    port: u16,
    /// By which protocol: TCP, UDP or SCTP
    #[arg(long, default_value = "TCP", value_parser = protocol)]
    protocol: Protocol,
    #[command(flatten)]
    request: RequestArgs,
    /// How the answer is printed
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, clap::Args)]
struct RequestArgs {
    /// The request's method
    #[arg(long)]
    method: Option<String>,
    /// The request's path, query included
    #[arg(long, requires = "method")]
    path: Option<String>,
    /// The request's host, port included if the client sends one
    #[arg(long, requires = "method")]
    host: Option<String>,
    /// A header of the request, as 'name: value'; repeat for more
    #[arg(long = "header", requires = "method", value_parser = header, value_name = "HEADER")]
    headers: Vec<(String, String)>,
}

impl RequestArgs {
    fn request(&self) -> Option<Request<'_>> {
        let method = self.method.as_ref()?;
        // Only a CONNECT has no path.
        if self.path.is_none() && method != "CONNECT" {
            let message = format!("a {method} request has a path: add --path");
            Cli::command().error(ErrorKind::MissingRequiredArgument, message).exit();
        }
        Some(Request {
            method: Some(method.as_bytes()),
            path: self.path.as_ref().map(String::as_bytes),
            authority: self.host.as_ref().map(String::as_bytes),
            headers: self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect(),
        })
    }
}

fn protocol(text: &str) -> Result<Protocol, String> {
    Protocol::parse(&text.to_ascii_uppercase()).ok_or_else(|| "expected TCP, UDP or SCTP".to_owned())
}

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.trim().to_owned())),
        _ => Err("expected 'name: value'".to_owned()),
    }
}

fn end(text: &str) -> End {
    match text.parse::<IpAddr>() {
        Ok(address) => End::Address(address),
        Err(_) => End::Workload(WorkloadName::parse(text)),
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    verdict: String,
    layer: String,
    code: &'static str,
    reason: &'a str,
    rule: Option<&'a str>,
    trace: Vec<Step<'a>>,
}

#[derive(Serialize)]
struct Step<'a> {
    direction: String,
    rule: &'a str,
    matched: bool,
    why: &'a str,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let request = args.request.request();
    let inputs = args.inputs.load()?;
    let question = Question {
        from: end(&args.from),
        to: end(&args.to),
        protocol: args.protocol,
        port: args.port,
        request,
    };
    let explanation = explain(&inputs.policies, &inputs.world, &question)
        .map_err(|error| anyhow!("cannot explain: {error}"))?;
    match args.output {
        Format::Json => print_json(&answer(&explanation))?,
        Format::Human => print(&human(args, &explanation))?,
    }
    Ok(if explanation.verdict == Verdict::Deny { Outcome::Findings } else { Outcome::Ok })
}

fn answer(explanation: &Explanation) -> Answer<'_> {
    Answer {
        verdict: explanation.verdict.to_string(),
        layer: explanation.layer.to_string(),
        code: explanation.code,
        reason: &explanation.reason,
        rule: explanation.rule.as_ref().map(RuleId::as_str),
        trace: explanation
            .trace
            .iter()
            .map(|step| Step {
                direction: step.direction.to_string(),
                rule: step.rule.as_str(),
                matched: step.matched,
                why: &step.why,
            })
            .collect(),
    }
}

fn human(args: &Args, explanation: &Explanation) -> String {
    let style = Style::of(&std::io::stdout());
    let verdict = match explanation.verdict {
        Verdict::Allow => style.green("allow"),
        Verdict::Deny => style.red("deny"),
        Verdict::Redirect => style.yellow("redirect"),
    };
    let request = match (&args.request.method, &args.request.path) {
        (Some(method), Some(path)) => format!("  {method} {path}"),
        (Some(method), None) => format!("  {method}"),
        _ => String::new(),
    };
    let (from, to, port, protocol) = (&args.from, &args.to, args.port, args.protocol);
    let mut text = format!(
        "{verdict} ({layer})  {from} → {to}  {port}/{protocol}{request}\n{reason}\n",
        layer = explanation.layer,
        reason = explanation.reason
    );
    if explanation.trace.is_empty() {
        text += "\nno rule was considered: no policy selects either end in this direction\n";
        return text;
    }
    text += "\nrules considered, in order:\n";
    for step in &explanation.trace {
        let mark = if step.matched { style.green("✓") } else { style.red("✗") };
        let direction = format!("{:7}", step.direction.to_string());
        let _ = writeln!(text, "  {mark} {direction}  {}\n             {}", step.rule, style.dim(&step.why));
    }
    text
}
