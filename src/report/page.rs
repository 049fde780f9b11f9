//! report.html: one file that asks nothing of any other, for a browser, a mail, or an archive.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// A picture with what it shows.
pub enum Figure {
    /// An SVG document.
    Svg(String),
    /// A PNG's bytes, with a name for it beside it (it may be empty).
    Png(Vec<u8>, String),
    /// A GIF's bytes.
    Gif(Vec<u8>),
}

/// A heading, a sentence that says what is seen, and pictures.
pub struct Section {
    /// The heading.
    pub title: String,
    /// What is seen, and how to read it.
    pub text: String,
    /// The pictures.
    pub figures: Vec<Figure>,
}

/// A run, told.
pub struct Page {
    /// The heading: the run's recipe.
    pub title: String,
    /// The model in a line.
    pub subtitle: String,
    /// Facts of the run: name, value.
    pub facts: Vec<(String, String)>,
    /// Numbers with their units: name, value.
    pub numbers: Vec<(String, String)>,
    /// What the model has to say of the run.
    pub verdict: Option<String>,
    /// The pictures.
    pub sections: Vec<Section>,
    /// The commands that make the run again.
    pub commands: String,
    /// The settings, as TOML.
    pub settings: String,
}

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1d1d1f; --soft: #6e6e73; --rule: #d8d8dc; --ground: #fff; --box: #f5f5f7; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #f0f0f2; --soft: #a0a0a6; --rule: #3a3a3e; --ground: #161618; --box: #222226; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; } .soft { color: var(--soft); }
table { border-collapse: collapse; } td { padding: .25rem 1.5rem .25rem 0; border-bottom: 1px solid var(--rule); }
td.number { font-variant-numeric: tabular-nums; text-align: right; padding-right: 0; }
.sides { display: flex; flex-wrap: wrap; gap: 3rem; } img, svg { max-width: 100%; height: auto; }
.svg { background: #fff; border-radius: 6px; } img { image-rendering: pixelated; border-radius: 3px; }
.strip { display: flex; align-items: center; gap: .8rem; margin: .2rem 0; }
.strip img { min-width: 0; } .strip span { flex: 0 0 9rem; font-variant-numeric: tabular-nums; }
pre { background: var(--box); padding: .8rem 1rem; border-radius: 6px; overflow-x: auto; font-size: 14px; }
.verdict { border-left: 4px solid #d55e00; padding-left: .8rem; }
";

impl Page {
    /// The document.
    pub fn html(&self) -> String {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) " – elbo" }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    h1 { (self.title) }
                    p.soft { (self.subtitle) }
                    @if let Some(text) = &self.verdict { p.verdict { (text) } }
                    div.sides {
                        (table("Test set", &self.numbers, "number"))
                        (table("Run", &self.facts, ""))
                    }
                    @for section in &self.sections {
                        h2 { (section.title) }
                        p { (section.text) }
                        @for figure in &section.figures { (drawn(figure, &section.title)) }
                    }
                    h2 { "How to reproduce" }
                    pre { (self.commands) }
                    details { summary { "config.toml: every setting" } pre { (self.settings) } }
                }
            }
        };
        page.into_string()
    }
}

fn table(title: &str, rows: &[(String, String)], class: &str) -> Markup {
    html! {
        @if !rows.is_empty() {
            div {
                h2 { (title) }
                table { @for (name, value) in rows { tr { td { (name) } td class=(class) { (value) } } } }
            }
        }
    }
}

fn drawn(figure: &Figure, alt: &str) -> Markup {
    match figure {
        Figure::Svg(text) => html! { div.svg { (PreEscaped(text)) } },
        Figure::Png(bytes, name) => html! {
            div.strip { @if !name.is_empty() { span { (name) } } (embedded("png", bytes, alt)) }
        },
        Figure::Gif(bytes) => embedded("gif", bytes, alt),
    }
}

fn embedded(kind: &str, bytes: &[u8], alt: &str) -> Markup {
    html! { img alt=(alt) src=(format!("data:image/{kind};base64,{}", BASE64_STANDARD.encode(bytes))); }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_text_and_asks_for_nothing() {
        let page = Page {
            title: "a <b> & c".into(),
            subtitle: String::new(),
            facts: vec![("data".into(), "<script>".into())],
            numbers: vec![],
            verdict: None,
            sections: vec![Section {
                title: "s".into(),
                text: "t".into(),
                figures: vec![Figure::Png(vec![1, 2, 3], "z1".into()), Figure::Gif(vec![9])],
            }],
            commands: "elbo train".into(),
            settings: String::new(),
        };
        let html = page.html();
        assert!(html.contains("a &lt;b&gt; &amp; c") && html.contains("&lt;script&gt;") && !html.contains("<script"));
        assert!(html.contains("data:image/png;base64,AQID") && html.contains("data:image/gif;base64,CQ=="));
        assert!(!html.contains("http"), "{html}");
    }
}
