//! Curves and scatters, as SVG: drawn by `plotters`, with no font and no request to anywhere.

use crate::values::{Error, Result};
use plotters::prelude::*;
use std::fmt::Display;

/// A named line through (x, y).
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What it is.
    pub name: String,
    /// Its points, x rising.
    pub points: Vec<(f64, f64)>,
}

/// One quantity as it went: lines on common axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// What is drawn, with its unit.
    pub title: String,
    /// The lines.
    pub lines: Vec<Line>,
}

/// Colours that are told apart by most eyes: Okabe & Ito 2008, and three more for ten labels.
const COLOURS: [RGBColor; 10] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(148, 103, 189),
    RGBColor(140, 86, 75),
    RGBColor(127, 127, 127),
    RGBColor(188, 189, 34),
];
const PANEL: (u32, u32) = (420, 250);
const SCATTER: (u32, u32) = (620, 560);

/// Panels in two columns, each over the common axis `x`.
pub fn curves(panels: &[Panel], x: &str) -> Result<String> {
    let columns = panels.len().min(2);
    let rows = panels.len().div_ceil(columns.max(1));
    svg((PANEL.0 * columns as u32, PANEL.1 * rows as u32), |root| {
        for (panel, area) in panels.iter().zip(root.split_evenly((rows, columns))) {
            let points = || panel.lines.iter().flat_map(|l| &l.points);
            let (left, right) = range(points().map(|p| p.0));
            let (low, high) = heights(panel);
            let mut chart = ChartBuilder::on(&area)
                .caption(&panel.title, ("sans-serif", 15))
                .margin(8)
                .x_label_area_size(34)
                .y_label_area_size(52)
                .build_cartesian_2d(left..right, low..high)?;
            let mut mesh = chart.configure_mesh();
            mesh.light_line_style(TRANSPARENT).bold_line_style(BLACK.mix(0.1)).axis_style(BLACK.mix(0.4));
            mesh.x_desc(x).x_labels(5).y_labels(5).label_style(("sans-serif", 12));
            mesh.x_label_formatter(&|v| short(*v)).y_label_formatter(&|v| short(*v)).draw()?;
            for (line, colour) in panel.lines.iter().zip(COLOURS) {
                let inside = line.points.iter().copied().filter(|p| (low..=high).contains(&p.1));
                let drawn = chart.draw_series(LineSeries::new(inside.clone(), colour.stroke_width(2)))?;
                drawn.label(&line.name).legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], colour));
                // A line of few points is easily lost.
                if line.points.len() <= 30 {
                    chart.draw_series(inside.map(|p| Circle::new(p, 2, colour.filled())))?;
                }
            }
            if panel.lines.len() > 1 {
                let mut labels = chart.configure_series_labels();
                labels.position(away(&panel.lines[0], (low, high))).label_font(("sans-serif", 12));
                labels.background_style(WHITE.mix(0.8)).border_style(TRANSPARENT).draw()?;
            }
        }
        Ok(())
    })
}

/// Points of a plane, coloured by label where there are labels; `axes` are what its two directions are.
pub fn scatter(points: &[(f64, f64)], labels: &[u8], axes: [&str; 2]) -> Result<String> {
    svg(SCATTER, |root| {
        let (left, right) = range(points.iter().map(|p| p.0));
        let (low, high) = range(points.iter().map(|p| p.1));
        let mut chart = ChartBuilder::on(root)
            .margin(8)
            .x_label_area_size(34)
            .y_label_area_size(52)
            .build_cartesian_2d(left..right, low..high)?;
        let mut mesh = chart.configure_mesh();
        mesh.light_line_style(TRANSPARENT).bold_line_style(BLACK.mix(0.1)).axis_style(BLACK.mix(0.4));
        mesh.x_desc(axes[0]).y_desc(axes[1]).label_style(("sans-serif", 12));
        mesh.x_label_formatter(&|v| short(*v)).y_label_formatter(&|v| short(*v)).draw()?;
        let mut classes: Vec<Option<u8>> = labels.iter().map(|&l| Some(l)).collect();
        classes.resize(points.len(), None);
        let mut names = classes.clone();
        names.sort_unstable();
        names.dedup();
        // More than the colours are shades of nothing: such labels say no more than none.
        let told = names.len() <= COLOURS.len();
        for (i, name) in names.iter().enumerate() {
            let colour = COLOURS[if told { i } else { 0 }];
            let own = points.iter().zip(&classes).filter(|(_, c)| *c == name).map(|(&p, _)| p);
            let drawn = chart.draw_series(own.map(|p| Circle::new(p, 2, colour.mix(0.7).filled())))?;
            if let Some(name) = name.filter(|_| told) {
                drawn.label(name.to_string()).legend(move |(x, y)| Circle::new((x + 7, y), 4, colour.filled()));
            }
        }
        if told && names.iter().any(Option::is_some) {
            let mut labels = chart.configure_series_labels();
            labels.position(SeriesLabelPosition::UpperRight).label_font(("sans-serif", 12));
            labels.background_style(WHITE.mix(0.8)).border_style(BLACK.mix(0.2)).draw()?;
        }
        Ok(())
    })
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

fn svg(size: (u32, u32), draw: impl FnOnce(&Area) -> Drawn) -> Result<String> {
    let mut text = String::new();
    let drawn = (|| {
        let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
        root.fill(&WHITE)?;
        draw(&root)?;
        Ok(root.present()?)
    })();
    drawn.map_err(|e: Box<dyn std::error::Error>| failed(&e))?;
    Ok(text)
}

fn failed(e: &dyn Display) -> Error {
    Error::failure(format!("a plot cannot be drawn: {e}"))
}

/// From the least to the largest finite number, with room for one that is alone.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values
        .filter(|v| v.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    match high - low {
        d if d > 0.0 => (low - 0.03 * d, high + 0.03 * d),
        0.0 => (low - 0.5 * low.abs().max(1.0), high + 0.5 * high.abs().max(1.0)),
        _ => (0.0, 1.0),
    }
}

/// The heights that a panel shows: all but the first twentieth of each longer line, from where it falls so steeply that
/// nothing of the rest could be read.
fn heights(panel: &Panel) -> (f64, f64) {
    let settled =
        panel.lines.iter().flat_map(|l| &l.points[if l.points.len() < 20 { 0 } else { l.points.len() / 20 }..]);
    range(settled.map(|p| p.1))
}

/// The right corner in which a line does not end.
fn away(line: &Line, (low, high): (f64, f64)) -> SeriesLabelPosition {
    let upper = line.points.last().is_some_and(|p| p.1 > 0.5 * (low + high));
    if upper { SeriesLabelPosition::LowerRight } else { SeriesLabelPosition::UpperRight }
}

/// A number with three digits that count; large ones in thousands.
fn short(v: f64) -> String {
    match v.abs() {
        a if a >= 1e6 => format!("{}M", v / 1e6),
        a if a >= 1e4 => format!("{}k", v / 1e3),
        // What is left of a 0 that was rounded.
        a if a < 1e-12 => "0".into(),
        a if a >= 100.0 => format!("{v:.0}"),
        a if a >= 1.0 => format!("{}", (v * 100.0).round() / 100.0),
        a if a >= 1e-3 => format!("{}", (v * 1e5).round() / 1e5),
        _ => format!("{v:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steep_beginning_does_not_flatten_the_rest() {
        let points = (0..100).map(|i| (f64::from(i), if i < 3 { 1000.0 } else { 1.0 + f64::from(i) / 100.0 }));
        let panel =
            Panel { title: "loss".into(), lines: vec![Line { name: "train".into(), points: points.collect() }] };
        let (low, high) = heights(&panel);
        assert!(low > 0.9 && high < 2.1, "{low} {high}");
    }

    #[test]
    fn labels_are_drawn_each_in_its_colour_and_strange_points_do_no_harm() {
        let points = [(0.0, 1.0), (1.0, f64::NAN), (2.0, 5.0)];
        let drawn = scatter(&points, &[3, 4, 3], ["z1", "z2"]).unwrap();
        assert!(drawn.contains("#0072B2") && drawn.contains("#D55E00"), "{drawn}");
        assert!(scatter(&[], &[], ["z1", "z2"]).is_ok());
        assert!(curves(&[], "step").is_ok());
    }

    #[test]
    fn numbers_on_axes_are_short() {
        assert_eq!([0.0, 123.4, 12_000.0, 2.5, 0.0314].map(short), ["0", "123", "12k", "2.5", "0.0314"]);
    }
}
