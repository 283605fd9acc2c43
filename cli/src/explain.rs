//! `postern explain`.

mod human;
mod json;

use anyhow::anyhow;
use clap::CommandFactory;
use clap::error::ErrorKind;
use postern_policy_core::decide::Verdict;
use postern_policy_core::explain::{End, PortRef, Question, explain};
use postern_policy_core::http::Request;
use postern_policy_core::port::Protocol;

use crate::cli::Cli;
use crate::inputs::InputArgs;
use crate::output::{Format, Outcome, Style, print, print_json};

/// Say what happens to a connection or request, and why
///
/// Both ends' policies are asked: the egress of the one, the ingress of the other. Every rule that was considered is
/// shown with the first thing about it that did not match. Exits with 1 if it is denied.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  postern explain --policy rule1.yaml --inventory pods.yaml \\
    --from default/app2 --to default/app1 --port 80 --method GET --path /private
  postern explain -p policies/ -i world.yaml --from 203.0.113.7 --to shop/api --port https
  postern explain -p policies/ -i world.yaml --from node/worker0 --to shop/api --protocol ICMP --icmp-type 8")]
pub(crate) struct Args {
    #[command(flatten)]
    inputs: InputArgs,
    /// Who connects: NAMESPACE/NAME, node/NAME, or an IP address
    #[arg(long, value_name = "END")]
    from: String,
    /// To whom: NAMESPACE/NAME, node/NAME, or an IP address
    #[arg(long, value_name = "END")]
    to: String,
    /// To which port: a number, or the name that the destination gives it
    #[arg(long, value_parser = port)]
    port: Option<PortRef>,
    /// By which protocol: TCP, UDP, SCTP, ICMP, ICMPv6, IGMP, IPIP, IPV6, GRE, ESP, AH or VRRP
    #[arg(long, default_value = "TCP", value_parser = protocol)]
    protocol: Protocol,
    /// The type of the ICMP or ICMPv6 message: 8 and 128 ask for an echo
    #[arg(long, value_name = "TYPE")]
    icmp_type: Option<u8>,
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

impl Args {
    /// The port, or what stands for it.
    fn port(&self) -> PortRef {
        let protocol = self.protocol;
        let is_icmp = matches!(protocol, Protocol::Icmp | Protocol::IcmpV6);
        match (&self.port, self.icmp_type) {
            (Some(_), _) if !protocol.has_ports() => {
                usage(ErrorKind::ArgumentConflict, &format!("{protocol} has no ports: remove --port"))
            }
            (_, Some(_)) if !is_icmp => {
                usage(ErrorKind::ArgumentConflict, &format!("--icmp-type has no meaning with {protocol}"))
            }
            (Some(port), _) => port.clone(),
            (None, Some(icmp)) => PortRef::Number(icmp.into()),
            (None, None) if is_icmp => {
                usage(ErrorKind::MissingRequiredArgument, &format!("{protocol} needs --icmp-type, such as 8"))
            }
            (None, None) if protocol.has_ports() => {
                usage(ErrorKind::MissingRequiredArgument, &format!("{protocol} needs --port"))
            }
            (None, None) => PortRef::Number(0),
        }
    }
}

impl RequestArgs {
    fn request(&self) -> Option<Request<'_>> {
        let method = self.method.as_ref()?;
        // Only a CONNECT has no path.
        if self.path.is_none() && method != "CONNECT" {
            let message = format!("a {method} request has a path: add --path");
            usage(ErrorKind::MissingRequiredArgument, &message);
        }
        Some(Request {
            method: Some(method.as_bytes()),
            path: self.path.as_ref().map(String::as_bytes),
            authority: self.host.as_ref().map(String::as_bytes),
            headers: self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect(),
        })
    }

    /// As it is printed.
    fn describe(&self) -> Option<String> {
        let method = self.method.as_ref()?;
        Some(self.path.as_ref().map_or(method.clone(), |path| format!("{method} {path}")))
    }
}

fn usage(kind: ErrorKind, message: &str) -> ! {
    Cli::command().error(kind, message).exit()
}

fn port(text: &str) -> Result<PortRef, String> {
    if text.bytes().any(|byte| !byte.is_ascii_digit()) {
        return Ok(PortRef::Named(text.to_owned()));
    }
    let number = text.parse().ok().filter(|number| *number > 0);
    number
        .map(PortRef::Number)
        .ok_or_else(|| "expected a number from 1 to 65535, or a port's name".to_owned())
}

fn protocol(text: &str) -> Result<Protocol, String> {
    let known = Protocol::EVERY.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(text));
    let names = || Protocol::EVERY.iter().map(|known| known.as_str()).collect::<Vec<_>>().join(", ");
    known.ok_or_else(|| format!("expected one of {}", names()))
}

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.trim().to_owned())),
        _ => Err("expected 'name: value'".to_owned()),
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let (request, port) = (args.request.request(), args.port());
    let inputs = args.inputs.load()?;
    let question = Question {
        from: End::parse(&args.from),
        to: End::parse(&args.to),
        protocol: args.protocol,
        port,
        request,
    };
    let explanation = explain(&inputs.policies, &inputs.world, &question)
        .map_err(|error| anyhow!("cannot explain: {error}"))?;
    match args.output {
        Format::Json => print_json(&json::answer(&explanation))?,
        Format::Human => {
            let style = Style::of(&std::io::stdout());
            print(&human::answer(&explanation, &question, args.request.describe().as_deref(), style))?;
        }
    }
    Ok(if explanation.enforced.verdict == Verdict::Deny { Outcome::Findings } else { Outcome::Ok })
}

#[cfg(test)]
mod tests;
