//! The tables and the plot of docs/benchmarks.md.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::plot::{self, Series};
use super::subjects::{Kind, Measured, SIZES};
use super::updates::Updated;
use super::{Figure, Results};

const PAGE: &str = "docs/benchmarks.md";
/// How long a request may be held up by an update, in milliseconds.
const LONGEST_STALL: u32 = 10;
const PLOT: &str = "docs/benchmarks/engine.svg";
const BEGIN: &str = "<!-- cargo xtask bench engine --write: begin -->\n";
const END: &str = "<!-- cargo xtask bench engine --write: end -->\n";

/// Puts the tables between their marks, and the plot beside the page.
pub(super) fn write(root: &Path, results: &Results) -> Result<()> {
    let page = root.join(PAGE);
    let text = fs::read_to_string(&page).with_context(|| format!("cannot read {PAGE}"))?;
    let (before, rest) = text.split_once(BEGIN).with_context(|| format!("{PAGE} has no line {BEGIN}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("{PAGE} has no line {END}"))?;
    let tables = tables(results);
    fs::write(&page, format!("{before}{BEGIN}\n{tables}\n{END}{after}")).context("cannot write the page")?;
    let plot = root.join(PLOT);
    if let Some(folder) = plot.parent() {
        fs::create_dir_all(folder).context("cannot make the folder of the plot")?;
    }
    fs::write(plot, drawing(results)).with_context(|| format!("cannot write {PLOT}"))
}

/// Every table.
pub(super) fn tables(results: &Results) -> String {
    let Results { in_process: figures, under_load: rows, parts: apart, updates: sizes } = results;
    [in_process(figures), under_load(rows), parts(apart), updates(sizes)].join("\n")
}

fn updates(sizes: &[Updated]) -> String {
    let mut out = "| rules | new ones | updates | requests | usual request, ms | slowest without an update, ms: median | most \
                   | slowest around an update, ms: median | most | at most |\n|---|---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    let summary = |slowest: &[f64]| {
        let most = slowest.iter().copied().fold(0.0, f64::max);
        format!("{:.1} | {most:.1}", at(slowest.to_vec(), 0.5))
    };
    for Updated { rules, changes, quiet, slowest, usual, requests } in sizes {
        let (updates, changes) = (slowest.len(), changes.name());
        let (quiet, slowest) = (summary(quiet), summary(slowest));
        let _ = writeln!(
            out,
            "| {rules} | {changes} | {updates} | {requests} | {usual:.2} | {quiet} | {slowest} | {LONGEST_STALL} |"
        );
    }
    out
}

fn in_process(figures: &[Figure]) -> String {
    let mut out = "| what | paths | rules | figure | at most |\n|---|---|---|---|---|\n".to_owned();
    for Figure { what, shape, rules, unit, value, at_most } in figures {
        let value = match value {
            Some(value) if *value < 100.0 && value.fract() != 0.0 => format!("{value:.1}"),
            Some(value) => format!("{value:.0}"),
            None => "not loaded".to_owned(),
        };
        let most = at_most.map(|most| format!("{most} {unit}")).unwrap_or_default();
        let row = format!("| {what} | {shape} | {rules} | {value} {unit} | {} |", most.trim_end());
        // Writing to a string does not fail.
        let _ = writeln!(out, "{}", row.replace("  |", " |"));
    }
    out
}

fn under_load(rows: &[Measured]) -> String {
    let base = rows.iter().find(|row| row.kind == Kind::Bare);
    let nginx = rows.iter().find(|row| row.kind == Kind::Nginx);
    let mut out = "| subject | rules | CPU µs a request, median | lower quartile | over no filter | of Envoy, no filter \
                   | of nginx | memory, MiB |\n|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for row in rows {
        let (name, rules) = (row.kind.name(), row.kind.has_rules().then(|| row.rules.to_string()));
        let rules = rules.unwrap_or_default();
        let line = match (&row.failure, base, nginx) {
            (None, Some(base), Some(nginx)) => {
                let over = row.kind.in_envoy().then(|| format!("{:.1}", row.over(base)));
                format!(
                    "| {name} | {rules} | {:.1} | {:.1} | {} | {:.2} | {:.2} | {} |",
                    row.median(),
                    row.lower(),
                    over.unwrap_or_default(),
                    row.of(base),
                    row.of(nginx),
                    row.memory / 1024
                )
            }
            (failure, ..) => {
                let why = failure.as_deref().unwrap_or("nothing to hold it against").replace('|', "/");
                format!("| {name} | {rules} | does not load: {why} | | | | | |")
            }
        };
        let _ = writeln!(out, "{line}");
    }
    out
}

fn parts(rows: &[Measured]) -> String {
    let mut out =
        "| in Envoy, 10,000 rules | CPU µs a request, median | over no filter |\n|---|---|---|\n".to_owned();
    let base = rows.iter().find(|row| row.kind == Kind::Bare);
    for row in rows {
        let name = row.kind.name().trim_start_matches("Envoy, ");
        let line = match (&row.failure, base) {
            (None, Some(base)) => {
                let over =
                    if row.kind == Kind::Bare { String::new() } else { format!("{:.1}", row.over(base)) };
                format!("| {name} | {:.1} | {over} |", row.median())
            }
            (failure, _) => {
                let why = failure.as_deref().unwrap_or("nothing to hold it against").replace('|', "/");
                format!("| {name} | does not load: {why} | |")
            }
        };
        let _ = writeln!(out, "{}", line.replace("  |", " |"));
    }
    out
}

fn drawing(results: &Results) -> String {
    let rows = &results.under_load;
    let flat = |kind: Kind| {
        let row = rows.iter().find(|row| row.kind == kind && row.failure.is_none())?;
        let points = SIZES.into_iter().map(|rules| (f64::from(rules), row.median())).collect();
        Some(Series { name: kind.name().to_owned(), points })
    };
    let curve = |kind: Kind| {
        let of_kind = rows.iter().filter(|row| row.kind == kind && row.failure.is_none());
        let points: Vec<_> = of_kind.map(|row| (f64::from(row.rules), row.median())).collect();
        (!points.is_empty()).then(|| Series { name: kind.name().to_owned(), points })
    };
    let curves = [Kind::RbacApart, Kind::RbacTogether, Kind::Ours].into_iter().filter_map(curve);
    let flats = [Kind::Noop, Kind::Bare].into_iter().filter_map(flat);
    let series: Vec<Series> = curves.chain(flats).collect();
    plot::svg("CPU time of a request in Envoy", "rules", "µs", &series)
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Bare => "Envoy, no filter",
            Self::Empty => "Envoy, a module without callbacks",
            Self::Noop => "Envoy, a filter that does nothing",
            Self::Asks => "Envoy, a filter that asks as ours does, and decides nothing",
            Self::Ours => "Envoy, our HTTP filter",
            Self::OursAnybody => "Envoy, our HTTP filter, no rule names peers",
            Self::OursForwarded => "Envoy, our HTTP filter, peers by x-forwarded-for",
            Self::OursBoth => "Envoy, our connection and HTTP filters",
            Self::RbacApart => "Envoy, RBAC, an expression a policy",
            Self::RbacTogether => "Envoy, RBAC, one expression",
            Self::Nginx => "nginx proxy_pass, no policy",
            Self::Proxy => "postern proxy",
        }
    }

    fn has_rules(self) -> bool {
        !matches!(self, Self::Bare | Self::Empty | Self::Noop | Self::Asks | Self::Nginx)
    }

    fn in_envoy(self) -> bool {
        !matches!(self, Self::Bare | Self::Nginx | Self::Proxy)
    }
}

impl Measured {
    fn median(&self) -> f64 {
        at(self.micros.clone(), 0.5)
    }

    fn lower(&self) -> f64 {
        at(self.micros.clone(), 0.25)
    }

    /// Microseconds more than what it is held against.
    fn over(&self, base: &Self) -> f64 {
        (self.of(base) - 1.0) * base.median()
    }

    /// The median of the ratios, turn by turn: the machine's speed changes in between.
    fn of(&self, base: &Self) -> f64 {
        at(self.micros.iter().zip(&base.micros).map(|(this, base)| this / base).collect(), 0.5)
    }
}

/// The value below which this share of them lies.
fn at(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let wanted = share * f64::from(u32::try_from(values.len()).unwrap_or(u32::MAX));
    let place = (0_u32..).zip(&values).find(|(place, _)| f64::from(*place) >= wanted.floor());
    place.map_or(f64::NAN, |(_, value)| *value)
}
