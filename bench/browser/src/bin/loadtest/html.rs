//! The report as one HTML file.

use std::fs;
use std::io;
use std::path::Path;

use crate::options::LoadOptions;
use crate::promises::broken;
use crate::record::Record;
use crate::report::{rows, to_json};

/// Variable with the folder of uPlot. `cargo xtask loadtest` sets it.
const UPLOT: &str = "TABMQ_UPLOT";

const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");

/// The report as HTML.
///
/// # Errors
/// uPlot's files cannot be read.
pub(crate) fn page(options: &LoadOptions, record: &Record) -> io::Result<String> {
    let folder = std::env::var_os(UPLOT).unwrap_or_default();
    let folder = Path::new(&folder);
    let uplot = fs::read_to_string(folder.join("uPlot.iife.min.js"))?;
    let uplot_style = fs::read_to_string(folder.join("uPlot.min.css"))?;
    let rows: String = rows(options, record)
        .into_iter()
        .map(|(name, value)| {
            format!(
                "<tr><th scope=row>{}</th><td>{}</td></tr>\n",
                escaped(&name),
                escaped(&value)
            )
        })
        .collect();
    let broken = broken(options, record);
    let verdict: String = match broken.is_empty() {
        true => "<p class=kept>Every guarantee was kept.</p>".to_owned(),
        false => broken
            .iter()
            .map(|sentence| format!("<p class=broken>Broken: {}.</p>\n", escaped(sentence)))
            .collect(),
    };
    // Without `<`, the data cannot end the element.
    let data = to_json(options, record).to_string().replace('<', "\\u003c");
    let load = escaped(&options.description());
    Ok(format!(
        "<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n<meta name=viewport content=\"width=device-width\">\n\
         <title>TabMQ load test</title>\n<style>{uplot_style}{STYLE}</style>\n</head>\n<body>\n<h1>TabMQ load test</h1>\n\
         <p>{load}.</p>\n{verdict}\n<main id=plots></main>\n<table>\n{rows}</table>\n\
         <script type=application/json id=data>{data}</script>\n<script>{uplot}</script>\n<script>{SCRIPT}</script>\n\
         </body>\n</html>\n"
    ))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
