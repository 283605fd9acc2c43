//! A plot as SVG: both axes logarithmic, a line for each series.

use std::fmt::Write as _;

/// One line of the plot.
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// Told apart also without colour, by their dashes.
const STYLES: [(&str, &str); 5] =
    [("#0b62a4", ""), ("#b8400e", "6 3"), ("#3a7d2c", "2 3"), ("#6b4c9a", "9 3 2 3"), ("#555555", "1 5")];
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
/// A legend's line.
const LINE: f64 = 18.0;

/// An axis from one power of ten to another.
struct Axis {
    least: i32,
    most: i32,
    from: f64,
    to: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        let least = values.clone().fold(f64::INFINITY, f64::min).log10().floor();
        let most = values.fold(0.0, f64::max).log10().ceil();
        // Powers of ten of a plot are few.
        let power = |of: f64| (-12..=12).find(|power| f64::from(*power) >= of).unwrap_or(12);
        let (least, most) = (power(least), power(most));
        Self { least, most: most.max(least + 1), from, to }
    }

    fn place(&self, value: f64) -> f64 {
        let share = (value.log10() - f64::from(self.least)) / f64::from(self.most - self.least);
        self.from + share * (self.to - self.from)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        (self.least..=self.most).map(|power| 10_f64.powi(power))
    }
}

/// The drawing. Values must be above zero.
pub(super) fn svg(title: &str, across: &str, up: &str, series: &[Series]) -> String {
    let points = || series.iter().flat_map(|series| &series.points);
    let x = Axis::over(points().map(|point| point.0), LEFT, WIDTH - RIGHT);
    let y = Axis::over(points().map(|point| point.1), HEIGHT - BOTTOM, TOP);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n"
    );
    // Writing to a string does not fail.
    let mut put = |line: String| {
        let _ = writeln!(out, "{line}");
    };
    put(format!("<text x=\"{LEFT}\" y=\"20\" font-size=\"14\">{title}</text>"));
    for tick in x.ticks() {
        let at = x.place(tick);
        put(format!("<path d=\"M{at:.1} {TOP}V{}\" stroke=\"#e0e0e0\"/>", HEIGHT - BOTTOM));
        put(format!(
            "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{tick}</text>",
            HEIGHT - BOTTOM + 16.0
        ));
    }
    for tick in y.ticks() {
        let at = y.place(tick);
        put(format!("<path d=\"M{LEFT} {at:.1}H{}\" stroke=\"#e0e0e0\"/>", WIDTH - RIGHT));
        put(format!("<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{tick}</text>", LEFT - 6.0, at + 4.0));
    }
    let middle = f64::midpoint(LEFT, WIDTH - RIGHT);
    put(format!("<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{across}</text>", HEIGHT - 12.0));
    put(format!(
        "<text x=\"16\" y=\"{0}\" text-anchor=\"middle\" transform=\"rotate(-90 16 {0})\">{up}</text>",
        HEIGHT / 2.0
    ));
    let mut line = TOP + LINE;
    for (series, (colour, dashes)) in series.iter().zip(STYLES.iter().cycle()) {
        let path: Vec<String> =
            series.points.iter().map(|&(a, b)| format!("{:.1},{:.1}", x.place(a), y.place(b))).collect();
        let stroke =
            format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dashes}\"");
        put(format!("<polyline points=\"{}\" {stroke}/>", path.join(" ")));
        for point in &path {
            let (a, b) = point.split_once(',').unwrap_or_default();
            put(format!("<circle cx=\"{a}\" cy=\"{b}\" r=\"3\" fill=\"{colour}\"/>"));
        }
        put(format!("<path d=\"M{} {}h30\" {stroke}/>", LEFT + 12.0, line - 4.0));
        put(format!("<text x=\"{}\" y=\"{line}\">{}</text>", LEFT + 50.0, series.name));
        line += LINE;
    }
    put("</svg>".to_owned());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decade_is_as_wide_as_any_other() {
        let axis = Axis::over([1.0, 10_000.0].into_iter(), 0.0, 400.0);
        let places: Vec<f64> = axis.ticks().map(|tick| axis.place(tick).round()).collect();
        assert_eq!(places, [0.0, 100.0, 200.0, 300.0, 400.0]);
    }

    #[test]
    fn every_series_is_drawn_and_named() {
        let series =
            ["one", "two"].map(|name| Series { name: name.into(), points: vec![(1.0, 50.0), (10.0, 500.0)] });
        let text = svg("title", "rules", "µs", &series);
        assert_eq!(text.matches("<polyline").count(), 2);
        for word in ["title", "rules", "µs", "one", "two", "</svg>"] {
            assert!(text.contains(word), "{word} is not in\n{text}");
        }
        assert!(!text.contains("NaN"), "{text}");
    }
}
