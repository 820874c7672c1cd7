//! The contact sheet: one image with the middle frame of every video and its label.

use std::path::Path;

use font8x8::legacy::BASIC_LEGACY;

use super::folder::ExportedCell;
use crate::core::{Frame, Resolution};
use crate::media::thumbnail;

/// Longest side of an image in pixels.
const SIDE: u32 = 240;
/// Space around a tile.
const GAP: u32 = 8;
/// Height of a line of text: a letter has 8 pixels.
const LINE: u32 = 12;
/// Width and height of a letter.
const LETTER: u32 = 8;
const BACKGROUND: [u8; 3] = [22, 24, 28];
const TEXT: [u8; 3] = [232, 234, 237];

/// Draws the sheet with `columns` columns. A video that cannot be read leaves its place empty and a note.
pub(super) fn contact_sheet(
    folder: &Path,
    cells: &[ExportedCell<'_>],
    columns: usize,
) -> (Frame, Vec<String>) {
    let mut notes = Vec::new();
    let mut tiles = Vec::new();
    for ExportedCell { cell, video } in cells {
        let image = video.as_ref().map(|video| thumbnail(&folder.join(video), SIDE)).transpose();
        let image = image.unwrap_or_else(|error| {
            notes.push(format!("The video of {} cannot be read: {error:#}", cell.label));
            None
        });
        tiles.push((image, cell));
    }
    let largest = |side: fn(&Frame) -> u32, least: u32| {
        tiles.iter().filter_map(|(image, _)| image.as_ref().map(side)).max().unwrap_or(SIDE).max(least)
    };
    let width = largest(|image| image.size.width, 16 * LETTER);
    let height = largest(|image| image.size.height, LETTER);
    let letters = (width / LETTER) as usize;
    let lines =
        tiles.iter().map(|(_, cell)| wrapped(&cell.label, letters).len()).max().unwrap_or(1) as u32 + 1;
    let tile = [width + GAP, height + lines * LINE + GAP];
    let rows = tiles.len().div_ceil(columns.max(1)) as u32;
    let size = Resolution::new(tile[0] * columns.max(1) as u32 + GAP, tile[1] * rows + GAP);
    let mut sheet = Frame { size, rgb: BACKGROUND.repeat(size.area() as usize) };
    for (index, (image, cell)) in tiles.iter().enumerate() {
        let left = GAP + (index % columns.max(1)) as u32 * tile[0];
        let top = GAP + (index / columns.max(1)) as u32 * tile[1];
        if let Some(image) = image {
            blit(&mut sheet, image, left, top);
        }
        let time = cell.seconds.map(|seconds| seconds.to_string());
        let last = time.unwrap_or_else(|| cell.status_word().to_owned());
        for (line, words) in (0..).zip(wrapped(&cell.label, letters).into_iter().chain([last])) {
            write_line(&mut sheet, &words, left, top + height + 4 + line * LINE);
        }
    }
    (sheet, notes)
}

/// Text in lines of at most `letters` letters, broken at spaces where possible.
fn wrapped(text: &str, letters: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let word: String = word.chars().take(letters.max(1)).collect();
        match lines.last_mut().filter(|line| line.chars().count() + 1 + word.chars().count() <= letters) {
            Some(line) => {
                line.push(' ');
                line.push_str(&word);
            }
            None => lines.push(word),
        }
    }
    lines
}

fn blit(sheet: &mut Frame, image: &Frame, left: u32, top: u32) {
    let row = image.size.width as usize * 3;
    for (y, pixels) in (0..image.size.height).zip(image.rgb.chunks_exact(row.max(1))) {
        let at = ((top + y) * sheet.size.width + left) as usize * 3;
        if let Some(target) = sheet.rgb.get_mut(at..at + row) {
            target.copy_from_slice(pixels);
        }
    }
}

/// Draws a line of text; letters that the font lacks are drawn as a question mark.
fn write_line(sheet: &mut Frame, text: &str, left: u32, top: u32) {
    for (index, letter) in (0..).zip(text.chars()) {
        let letter = if letter == '·' { '-' } else { letter };
        let glyph = BASIC_LEGACY.get(letter as usize).unwrap_or(&BASIC_LEGACY['?' as usize]);
        for (y, bits) in (0..).zip(glyph) {
            for x in (0..LETTER).filter(|x| bits & (1 << x) != 0) {
                let at = ((top + y) * sheet.size.width + left + index * LETTER + x) as usize * 3;
                if let Some(pixel) = sheet.rgb.get_mut(at..at + 3) {
                    pixel.copy_from_slice(&TEXT);
                }
            }
        }
    }
}
