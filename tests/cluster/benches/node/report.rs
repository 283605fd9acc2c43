//! How the result is printed.

use serde::Serialize;

use crate::enforce::Enforced;
use crate::peer::Load;
use crate::samples::Samples;
use crate::traffic::{Measured, Programs, Row};

/// Everything.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    pub(crate) traffic: Measured,
    pub(crate) enforced: Enforced,
}

impl Report {
    /// Prints tables.
    pub(crate) fn print(&self) {
        self.print_traffic();
        println!();
        self.print_programs();
        println!();
        self.print_enforced();
    }

    fn print_traffic(&self) {
        println!(
            "| load | subject | entries | a second | of the first | CPU µs each | of the first | machine µs each |"
        );
        println!("|---|---|---|---|---|---|---|---|");
        for row in &self.traffic.traffic {
            let first = self.traffic.traffic.iter().find(|first| first.load == row.load).unwrap_or(row);
            println!(
                "| {} | {} | {} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} |",
                load(row),
                row.subject,
                row.entries.map(|entries| entries.to_string()).unwrap_or_default(),
                row.per_second.median(),
                row.per_second.ratio(&first.per_second),
                row.cpu_us.median(),
                row.cpu_us.ratio(&first.cpu_us),
                row.machine_us.median(),
            );
        }
    }

    fn print_programs(&self) {
        println!(
            "| entries | packet | from_endpoint, ns | to_endpoint, ns | made-up packet, to_endpoint, ns |"
        );
        println!("|---|---|---|---|---|");
        for programs in &self.traffic.programs {
            let Programs { established_from, established_to, new_from, new_to, .. } = programs;
            let Programs { unread_from, unread_to, test_established, test_new, .. } = programs;
            let none = Samples::default();
            for (packet, from, to, test) in [
                ("established", established_from, established_to, test_established),
                ("new flow", new_from, new_to, &none),
                ("new flow, nobody reads events", unread_from, unread_to, test_new),
            ] {
                let (entries, from, to) = (programs.entries, from.median(), to.median());
                let test = if test.len() > 0 { format!("{:.0}", test.median()) } else { String::new() };
                println!("| {entries} | {packet} | {from:.0} | {to:.0} | {test} |");
            }
        }
    }

    fn print_enforced(&self) {
        let Enforced { accepted_ms, opened_ms, closed_ms, effective_ms, reported_ms } = &self.enforced;
        println!("| from the change until | changes | p50, ms | p99, ms |");
        println!("|---|---|---|---|");
        for (until, samples) in [
            ("the API server has answered", accepted_ms),
            ("connections come about that are now allowed", opened_ms),
            ("connections are dropped that no longer are", closed_ms),
            ("either", effective_ms),
            ("the status says `Enforced` 1/1", reported_ms),
        ] {
            let (p50, p99) = (samples.percentile(50), samples.percentile(99));
            println!("| {until} | {} | {p50:.0} | {p99:.0} |", samples.len());
        }
    }
}

fn load(row: &Row) -> &'static str {
    match row.load {
        Load::Stream => "stream, MiB",
        Load::Requests => "request and response",
        Load::Connections => "connection",
        Load::Flows => "flow",
    }
}
