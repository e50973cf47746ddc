//! SVG charts of the evaluation page: the DET curve, the distributions of scores, and the reliability diagram. The
//! colours come from the style sheet of the page.

use std::fmt::Write;

use super::reliability::{Bin, Reliability};
use super::statistics::probit;
use super::summary::{Distribution, Point, Summary};

/// Rates at which the DET chart has lines.
const TICKS: [f64; 11] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8];
/// Length of a side of the DET chart, and the room for its labels.
const SIDE: f64 = 380.0;
const LEFT: f64 = 58.0;
const TOP: f64 = 12.0;
const BELOW: f64 = 46.0;

/// The detection error trade-off curve: false accepts against false rejects as the threshold moves (Martin et al., "The
/// DET curve in assessment of detection task performance", Eurospeech 1997). Both axes are scaled by the normal
/// quantile. A ring marks the threshold of the configuration. `None` if one of the two kinds of clips is missing.
pub fn det(summaries: &[&Summary]) -> Option<String> {
    let most = summaries.iter().map(|s| s.positives().max(s.negatives)).max().unwrap_or(0);
    if summaries.iter().all(|s| s.det.is_empty()) {
        return None;
    }
    let axis = Axis::down_to(0.5 / most as f64);
    let mut svg = format!(
        "<svg class=\"det\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"DET curve\">",
        LEFT + SIDE + 12.0,
        TOP + SIDE + BELOW
    );
    grid(&mut svg, &axis);
    for (i, summary) in summaries.iter().enumerate() {
        curve(&mut svg, &axis, i, summary);
    }
    svg.push_str("</svg>");
    Some(svg)
}

/// An axis from a least to a greatest rate. Rates outside of it are drawn at its ends.
struct Axis {
    from: f64,
    to: f64,
}

impl Axis {
    fn down_to(rate: f64) -> Axis {
        let from = TICKS.iter().rev().find(|tick| **tick <= rate).unwrap_or(&TICKS[0]);
        Axis { from: *from, to: TICKS[TICKS.len() - 1] }
    }

    /// The position of a rate on the axis, 0 to 1.
    fn share(&self, rate: f64) -> f64 {
        let [from, to, at] = [self.from, self.to, rate.clamp(self.from, self.to)].map(probit);
        (at - from) / (to - from)
    }

    fn x(&self, rate: f64) -> f64 {
        LEFT + SIDE * self.share(rate)
    }

    fn y(&self, rate: f64) -> f64 {
        TOP + SIDE * (1.0 - self.share(rate))
    }
}

fn grid(svg: &mut String, axis: &Axis) {
    let (right, bottom) = (LEFT + SIDE, TOP + SIDE);
    for tick in TICKS.iter().filter(|tick| **tick >= axis.from) {
        let (x, y, percent) = (axis.x(*tick), axis.y(*tick), tick * 100.0);
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"M{x:.1} {TOP}V{bottom}M{LEFT} {y:.1}H{right}\"/>\
             <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{percent}</text>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{percent}</text>",
            bottom + 16.0,
            LEFT - 6.0,
            y + 4.0
        );
    }
    let middle = (LEFT + SIDE / 2.0, TOP + SIDE / 2.0);
    let _ = write!(
        svg,
        "<path class=\"frame\" d=\"M{LEFT} {TOP}H{right}V{bottom}H{LEFT}Z\"/>\
         <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">false accepts, % of what is to be refused</text>\
         <text transform=\"translate(14 {}) rotate(-90)\" text-anchor=\"middle\">false rejects, % of the sentences</text>",
        middle.0,
        bottom + 38.0,
        middle.1
    );
}

fn curve(svg: &mut String, axis: &Axis, number: usize, summary: &Summary) {
    let place = |p: &Point| format!("{:.1},{:.1}", axis.x(p.false_accepts), axis.y(p.false_rejects));
    let line: Vec<String> = summary.det.iter().map(place).collect();
    let legend = TOP + 20.0 + 18.0 * number as f64;
    let (right, condition) = (LEFT + SIDE - 12.0, summary.condition());
    let _ = write!(
        svg,
        "<g class=\"c{}\"><polyline points=\"{}\"/><path d=\"M{} {}h28\"/>\
         <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{condition}</text>",
        number % 6,
        line.join(" "),
        right - 28.0,
        legend - 4.0,
        right - 34.0,
        legend
    );
    if let (Some(accepts), true) = (summary.false_accept_share(), summary.positives() > 0) {
        let rejects = (summary.wrong + summary.refused) as f64 / summary.positives() as f64;
        let _ = write!(svg, "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"6\"/>", axis.x(accepts.is), axis.y(rejects));
    }
    svg.push_str("</g>");
}

/// Size of a bar chart, of its rows, and the room for their names.
const WIDTH: f64 = 460.0;
const ROW: f64 = 56.0;
const NAMES: f64 = 96.0;

/// The distributions of a score in four groups, one above the other, with a line at the `threshold`.
pub fn distribution(name: &str, scores: &Distribution, threshold: Option<f32>) -> String {
    let Distribution { bins, right, found_refused, wrong, negatives } = scores;
    let rows = [("right", right), ("found, refused", found_refused), ("wrong", wrong), ("to be refused", negatives)];
    let bottom = TOP + rows.len() as f64 * ROW;
    let width = NAMES + WIDTH + 12.0;
    let mut svg =
        format!("<svg class=\"bars\" viewBox=\"0 0 {width} {}\" role=\"img\" aria-label=\"{name}\">", bottom + BELOW);
    let x = |score: f32| NAMES + WIDTH * f64::from((score - bins.from) / bins.width) / bins.count as f64;
    for (number, (group, counts)) in rows.iter().enumerate() {
        row(&mut svg, number, group, counts, WIDTH / bins.count as f64);
    }
    if let Some(line) = threshold.map(x) {
        let _ = write!(svg, "<path class=\"threshold\" d=\"M{line:.1} {TOP}V{bottom}\"/>");
    }
    for edge in (0..=bins.count).step_by(4) {
        let score = bins.from + bins.width * edge as f32;
        let label = format!("{score:.1}");
        let label = label.trim_end_matches(".0");
        let _ =
            write!(svg, "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>", x(score), bottom + 16.0);
    }
    let middle = NAMES + WIDTH / 2.0;
    let _ = write!(svg, "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{name}</text></svg>", bottom + 38.0);
    svg
}

fn row(svg: &mut String, number: usize, group: &str, counts: &[usize], width: f64) {
    let (base, most) = (TOP + ROW * (number + 1) as f64, counts.iter().max().copied().unwrap_or(0));
    let all: usize = counts.iter().sum();
    let _ = write!(
        svg,
        "<text x=\"0\" y=\"{}\">{group}</text><text class=\"soft\" x=\"0\" y=\"{}\">{all}</text>\
         <path class=\"frame\" d=\"M{NAMES} {base}h{WIDTH}\"/><g class=\"g{number}\">",
        base - 24.0,
        base - 8.0
    );
    for (bin, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let height = (ROW - 18.0) * *count as f64 / most as f64;
        let x = NAMES + width * bin as f64;
        let _ = write!(
            svg,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\"/>\
             <text class=\"count\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{count}</text>",
            x + 0.5,
            base - height,
            width - 1.0,
            x + width / 2.0,
            base - height - 3.0
        );
    }
    svg.push_str("</g>");
}

/// The reliability diagram: for each probability that was given, the share of sentences that were said. Correct
/// probabilities lie on the diagonal. Each point has the number of its utterances.
pub fn reliability(reliability: &Reliability) -> String {
    let (x, y) = (|share: f64| LEFT + SIDE * share, |share: f64| TOP + SIDE * (1.0 - share));
    let (right, bottom, middle) = (LEFT + SIDE, TOP + SIDE, LEFT + SIDE / 2.0);
    let mut svg = format!(
        "<svg class=\"det\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"reliability diagram\">\
         <path class=\"frame\" d=\"M{LEFT} {TOP}H{right}V{bottom}H{LEFT}Z\"/>\
         <path class=\"threshold\" d=\"M{LEFT} {bottom}L{right} {TOP}\"/>",
        right + 12.0,
        bottom + BELOW
    );
    for percent in (0..=100).step_by(20) {
        let (across, up) = (x(f64::from(percent) / 100.0), y(f64::from(percent) / 100.0) + 4.0);
        let (below, before) = (bottom + 16.0, LEFT - 6.0);
        let _ = write!(
            svg,
            "<text x=\"{across:.1}\" y=\"{below}\" text-anchor=\"middle\">{percent}</text>\
             <text x=\"{before}\" y=\"{up:.1}\" text-anchor=\"end\">{percent}</text>"
        );
    }
    svg.push_str("<g class=\"c0\">");
    for (_, Bin { count, given, said }) in reliability.filled() {
        let (across, up) = (x(*given), y(*said));
        let (side, anchor) = if *given > 0.5 { (across - 9.0, "end") } else { (across + 9.0, "start") };
        let _ = write!(
            svg,
            "<circle cx=\"{across:.1}\" cy=\"{up:.1}\" r=\"5\"/>\
             <text x=\"{side:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{count}</text>",
            up + 4.0
        );
    }
    let _ = write!(
        svg,
        "</g><text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">probability given, %</text>\
         <text transform=\"translate(14 {}) rotate(-90)\" text-anchor=\"middle\">share that was said, %</text></svg>",
        bottom + 38.0,
        TOP + SIDE / 2.0
    );
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_is_by_the_normal_quantile_and_holds_what_lies_beyond_it() {
        let axis = Axis::down_to(0.006);
        assert_eq!((axis.from, axis.to), (0.005, 0.8));
        assert_eq!((axis.share(0.0), axis.share(0.005), axis.share(0.8), axis.share(1.0)), (0.0, 0.0, 1.0, 1.0));
        let half = -probit(0.005) / (probit(0.8) - probit(0.005));
        assert!((axis.share(0.5) - half).abs() < 1e-12);
        assert_eq!(Axis::down_to(1e-9).from, 0.001);
    }
}
