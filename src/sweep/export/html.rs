//! The page of a sweep: every video in step, with the settings that differ.

use html_escape::{encode_double_quoted_attribute as attribute, encode_text as text};

use super::folder::ExportedCell;
use super::trials;
use crate::core::percent_encoded;
use crate::sweep::search::SearchTrace;
use crate::sweep::store::SweepRecord;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The whole page. It needs nothing but the videos beside it.
pub(super) fn page(
    record: &SweepRecord,
    cells: &[ExportedCell<'_>],
    columns: usize,
    search: Option<&SearchTrace>,
) -> String {
    let search = search.map(trials::section).unwrap_or_default();
    let cells: String = cells.iter().map(cell).collect();
    let name = text(&record.name);
    let prompt = text(&record.base.prompt);
    let model = text(&record.base.model);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{name}</title>\n<style>\n{STYLE}</style></head>\n<body>\n\
         <header><h1>{name}</h1><p>{prompt}</p><p class=\"weak\">{model}</p>\n\
         <div class=\"controls\"><button id=\"play\">Pause</button>\
         <input id=\"position\" type=\"range\" min=\"0\" max=\"1000\" value=\"0\" aria-label=\"Position\">\
         <label>Speed <select id=\"speed\"><option>0.25</option><option>0.5</option><option selected>1</option>\
         <option>2</option></select></label>\
         <label>Columns <input id=\"columns\" type=\"number\" min=\"1\" max=\"12\" value=\"{columns}\"></label>\
         <a href=\"contact-sheet.png\">Contact sheet</a> <a href=\"sweep.csv\">Table</a> \
         <a href=\"sweep.ron\">Definition</a></div></header>\n\
         <main style=\"--columns: {columns}\">\n{cells}</main>\n{search}<script>\n{SCRIPT}</script>\n</body></html>\n"
    )
}

fn cell(ExportedCell { cell, video }: &ExportedCell<'_>) -> String {
    let label = text(&cell.label);
    let status = cell.status_word();
    let time = cell.seconds.map_or_else(|| status.to_owned(), |seconds| seconds.to_string());
    let content = match video {
        Some(path) => format!(
            "<video src=\"{}\" muted playsinline preload=\"auto\"></video>",
            attribute(&percent_encoded(path, true))
        ),
        None => format!("<div class=\"none\">{}</div>", text(cell.error.as_deref().unwrap_or(status))),
    };
    format!("<figure>{content}<figcaption>{label}<span>{}</span></figcaption></figure>\n", text(&time))
}
