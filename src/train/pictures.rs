//! What a run leaves to be seen: pictures of its model, its curves, and report.html with all of it.

use super::history;
use super::progress::thousands;
use super::{Evaluation, Session};
use crate::checkpoint::{write_whole, write_whole_at};
use crate::models;
use crate::report::{self, Codes, Figure, Page, Plane, Section};
use crate::values::{Error, Result};
use std::path::Path;

/// Samples, reconstructions and pairs of a sheet.
const SAMPLES: usize = 100;
const RECONSTRUCTIONS: usize = 50;
const PAIRS: usize = 8;
/// Examples whose codes are drawn as points, and say how far each dimension is spread.
pub const POINTS: usize = 2000;
/// Dimensions that are traversed.
pub const DIMENSIONS: usize = 10;
/// Places of each, and frames of the GIF one way.
const PLACES: usize = 11;
const FRAMES: usize = 13;
/// Examples of the GIF, one a row.
pub const EXAMPLES: usize = 4;
/// How far a dimension is followed, in standard deviations.
const REACH: f64 = 3.0;

/// Where a run stands when its report is written.
pub struct Standing<'a> {
    /// Steps done.
    pub step: u64,
    /// The numbers of the test set.
    pub test: &'a Evaluation,
    /// What the model has to say.
    pub verdict: Option<&'a str>,
}

/// Writes samples/*.png, *.svg and *.gif, and report.html, into a run's folder; pictures where the examples are
/// pictures.
pub fn draw(session: &mut Session, shape: [usize; 3], run: &Path, at: &Standing) -> Result<()> {
    let mut sections = Vec::new();
    let dir = run.join("samples");
    std::fs::create_dir_all(&dir).map_err(|e| Error::io("cannot make the folder", &dir, &e))?;
    let panels = history::panels(run)?;
    if !panels.is_empty() {
        let svg = report::curves(&panels, "step")?;
        write_whole_at(&dir.join("curves.svg"), svg.as_bytes())?;
        let text = "Means since the point before, an example each; the first steps may lie above what is drawn.";
        sections.push(section("Training", text, vec![Figure::Svg(svg)]));
    }
    // A discrete code is a map of entries: no dimension of it is an axis.
    let real = session.levels().is_empty() && session.autoregressive().is_err();
    let encoded = if real { Some(session.encode("test", 0, POINTS)?) } else { None };
    let codes = encoded.as_ref().map(|values| Codes::new(values, session.code_len()));
    // One number is no picture, and neither are the numbers of a frame that has no rows.
    let drawn = if session.sequence_length() > 1 { shape[0] > 1 } else { shape.iter().product::<usize>() > 1 };
    if !session.config.classifier.wanted() && drawn {
        sections.extend(pictures(session, shape, codes.as_ref(), &dir)?);
    }
    if let Some(Plane { points, axes }) = codes.as_ref().and_then(Codes::plane) {
        let labels = session.labels_of("test");
        let svg = report::scatter(&points, &labels[..points.len().min(labels.len())], [&axes[0], &axes[1]])?;
        write_whole_at(&dir.join("codes.svg"), svg.as_bytes())?;
        let coloured = match (labels.is_empty(), &session.config.data.name[..]) {
            (true, _) => "",
            (_, "sprites") => ", coloured by shape: 0 is the square, 1 the ellipse, 2 the heart",
            _ => ", coloured by label",
        };
        let text = format!("Codes of {} test examples{coloured}.", thousands(points.len() as u64));
        sections.push(section("Codes", &text, vec![Figure::Svg(svg)]));
    }
    write_whole(run, "report.html", page(session, shape, at, sections).html().as_bytes())
}

fn section(title: &str, text: &str, figures: Vec<Figure>) -> Section {
    Section { title: title.into(), text: text.into(), figures }
}

/// The model's pictures: each a file, and a section of the page.
fn pictures(session: &mut Session, shape: [usize; 3], codes: Option<&Codes>, dir: &Path) -> Result<Vec<Section>> {
    let mut sections = Vec::new();
    let mut keep = |name: &str, bytes: Vec<u8>, title: &str, text: &str| -> Result<()> {
        write_whole_at(&dir.join(name), &bytes)?;
        sections.push(section(title, text, vec![Figure::Png(bytes, String::new())]));
        Ok(())
    };
    let d = session.reconstruct("test", 0, RECONSTRUCTIONS)?;
    let pairs = report::pairs(&d.inputs, &d.pictures, shape, 10)?.png()?;
    keep("reconstructions.png", pairs, "Reconstructions", "Test examples, each above what the model makes of it.")?;
    let samples = session.sample(SAMPLES)?;
    let prior = session.has_prior();
    if let Some(samples) = samples {
        let text = "Codes drawn from the prior, decoded.";
        keep("samples.png", report::sheet(&samples, shape, 10)?.png()?, "Samples", text)?;
    }
    if let Some(pictures) = interpolation(session, PAIRS, PLACES)? {
        let text = "The straight line between the codes of two test examples, a row each, decoded.";
        keep("interpolation.png", report::sheet(&pictures, shape, PLACES)?.png()?, "Interpolation", text)?;
    }
    let Some(codes) = codes else { return Ok(sections) };
    let order: Vec<usize> = codes.by_spread().into_iter().take(DIMENSIONS).collect();
    let pictures = traversals(session, codes, 0, &order, PLACES, prior)?;
    write_whole_at(&dir.join("traversals.png"), &report::sheet(&pictures, shape, PLACES)?.png()?)?;
    let row = pictures.len() / order.len();
    let mut figures = Vec::new();
    for (&k, pictures) in order.iter().zip(pictures.chunks(row)) {
        let name = format!("z{}, sd {:.2}", k + 1, codes.sd[k]);
        figures.push(Figure::Png(report::sheet(pictures, shape, PLACES)?.png()?, name));
    }
    let gif = moving(session, shape, codes, 0, &order, prior)?;
    write_whole_at(&dir.join("traversals.gif"), &gif)?;
    figures.push(Figure::Gif(gif));
    let range = if prior { "−3 to 3" } else { "3 standard deviations below to 3 above its mean" };
    let text = format!(
        "One dimension of a test example's code at a time, from {range}; those first whose codes are spread most over the \
         test set (sd). In the moving picture each column is a dimension, in the same order, and each row an example."
    );
    sections.push(section("Traversals", &text, figures));
    Ok(sections)
}

/// `rows` lines between the codes of neighbours in the test set, each of `steps` pictures; None where there is no pair.
pub fn interpolation(session: &mut Session, rows: usize, steps: usize) -> Result<Option<Vec<f32>>> {
    let latent = session.code_len();
    let codes = session.encode("test", 0, 2 * rows)?;
    let lines = codes.chunks_exact(2 * latent).map(|pair| pair.split_at(latent));
    let codes: Vec<f32> = lines.flat_map(|(from, to)| report::between(from, to, steps)).collect();
    if codes.is_empty() { Ok(None) } else { session.decode(&codes).map(Some) }
}

/// Example `base`'s code with each of `dimensions` in turn at `places` places, decoded: a row a dimension.
pub fn traversals(
    session: &mut Session,
    codes: &Codes,
    base: usize,
    dimensions: &[usize],
    places: usize,
    prior: bool,
) -> Result<Vec<f32>> {
    let along = dimensions.iter().flat_map(|&d| codes.traverse(base, d, places, REACH, prior));
    session.decode(&along.collect::<Vec<f32>>())
}

/// The GIF of traversals: a column a dimension, a row an example from `first` on, there and back again.
pub fn moving(
    session: &mut Session,
    shape: [usize; 3],
    codes: &Codes,
    first: usize,
    dimensions: &[usize],
    prior: bool,
) -> Result<Vec<u8>> {
    let cells: Vec<Vec<f32>> = (first..codes.len().min(first + EXAMPLES))
        .map(|base| traversals(session, codes, base, dimensions, FRAMES, prior))
        .collect::<Result<_>>()?;
    let picture = shape.iter().product();
    let frame = |f: usize| -> Vec<f32> {
        let shown = |row: &Vec<f32>| row.chunks(picture).skip(f).step_by(FRAMES).flatten().copied().collect::<Vec<_>>();
        cells.iter().flat_map(shown).collect()
    };
    let there: Vec<usize> = (0..FRAMES).collect();
    let back = (1..FRAMES - 1).rev();
    let frames: Vec<Vec<f32>> = there.into_iter().chain(back).map(frame).collect();
    report::gif(&frames, shape, dimensions.len())
}

fn page(session: &Session, shape: [usize; 3], at: &Standing, sections: Vec<Section>) -> Page {
    let (c, info) = (&session.config, session.exec.info());
    let features: usize = shape.iter().product();
    let mut numbers: Vec<(String, String)> =
        at.test.means.values().map(|(name, v)| (name.to_string(), format!("{v:.3}"))).collect();
    if let Some((name, _)) = numbers.first_mut() {
        *name = format!("{name}, {}", at.test.unit);
    }
    let extents: Vec<String> = shape.iter().map(usize::to_string).collect();
    let facts = [
        ("data", format!("{}, {}", c.data.name, extents.join(" × "))),
        ("parameters", thousands(session.layout.count() as u64)),
        ("steps", thousands(at.step)),
        ("batch", c.train.batch.to_string()),
        ("seed", c.train.seed.to_string()),
        ("device", format!("{}: {}", info.device, info.adapter)),
        ("elbo", env!("CARGO_PKG_VERSION").to_string()),
    ];
    let commands = format!(
        "# with the settings below in config.toml, and the same data\nelbo train config.toml --out again --device {}",
        info.device
    );
    Page {
        title: c.recipe.clone(),
        subtitle: models::architecture(c, features),
        facts: facts.map(|(name, value)| (name.to_string(), value)).to_vec(),
        numbers,
        verdict: at.verdict.map(str::to_string),
        sections,
        commands,
        settings: c.to_toml(),
    }
}
