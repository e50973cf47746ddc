//! Spectrograms as Windows bitmaps, which every browser can show and which need no encoder.

use crate::audio::spectrum::Spectrum;

/// Samples in the window of one column: 32 ms.
const WINDOW: usize = 512;
/// Samples from one column to the next: 10 ms.
const HOP: usize = 160;
/// Rows, from 0 to 8 kHz; each is the louder of two frequencies.
pub const ROWS: usize = WINDOW / 4;
/// Range of levels from the darkest to the brightest colour, in dB.
const RANGE_DB: f32 = 70.0;

/// Colours from the lowest to the highest level, similar to matplotlib's "magma": perceptually uniform, and readable
/// without colour.
const COLOURS: [[f32; 3]; 6] = [
    [0.0, 0.0, 4.0],
    [59.0, 15.0, 112.0],
    [140.0, 41.0, 129.0],
    [222.0, 73.0, 104.0],
    [254.0, 159.0, 109.0],
    [252.0, 253.0, 191.0],
];

/// The spectrogram of `samples` at 16 kHz as a bitmap file, and how many columns it has.
pub fn bitmap(samples: &[f32]) -> (Vec<u8>, usize) {
    let columns = columns(samples);
    let loudest = columns.iter().flatten().fold(f32::MIN, |loudest, db| loudest.max(*db));
    // A row of a bitmap is padded to a multiple of four bytes; the lowest row comes first.
    let mut pixels = Vec::with_capacity(ROWS * columns.len().next_multiple_of(4));
    for row in 0..ROWS {
        let shade = |column: &[f32; ROWS]| (255.0 * (1.0 + (column[row] - loudest) / RANGE_DB)).clamp(0.0, 255.0) as u8;
        pixels.extend(columns.iter().map(shade));
        pixels.resize(pixels.len().next_multiple_of(4), 0);
    }
    ([header(columns.len(), pixels.len()), palette(), pixels].concat(), columns.len())
}

/// The level of each row of each column, in dB.
fn columns(samples: &[f32]) -> Vec<[f32; ROWS]> {
    let mut spectrum = Spectrum::of_frames(WINDOW);
    let starts = (0..samples.len().max(1)).step_by(HOP);
    starts
        .map(|start| {
            let power = spectrum.power(&samples[start..samples.len().min(start + WINDOW)]);
            let db = |bin: usize| 10.0 * (power[bin] + 1e-10).log10();
            std::array::from_fn(|row| db(2 * row).max(db(2 * row + 1)))
        })
        .collect()
}

/// BITMAPFILEHEADER and BITMAPINFOHEADER of a picture with 256 colours.
fn header(width: usize, pixels: usize) -> Vec<u8> {
    const HEADERS: u32 = 14 + 40;
    const PALETTE: u32 = 256 * 4;
    let mut header = b"BM".to_vec();
    let (pixels, width) = (pixels as u32, width as u32);
    // After the size of this header and the picture's: one plane, 8 bits a pixel; no compression.
    let file = [HEADERS + PALETTE + pixels, 0, HEADERS + PALETTE];
    let picture = [40, width, ROWS as u32, 1 | 8 << 16, 0, pixels, 0, 0, 256, 0];
    header.extend(file.into_iter().chain(picture).flat_map(u32::to_le_bytes));
    header
}

fn palette() -> Vec<u8> {
    let colour = |shade: usize| {
        let place = shade as f32 / 255.0 * (COLOURS.len() - 1) as f32;
        let (below, share) = ((place as usize).min(COLOURS.len() - 2), place - place.floor());
        let share = if shade == 255 { 1.0 } else { share };
        let mixed = |channel: usize| {
            let (a, b) = (COLOURS[below][channel], COLOURS[below + 1][channel]);
            (a + (b - a) * share).round() as u8
        };
        [mixed(2), mixed(1), mixed(0), 0]
    };
    (0..256).flat_map(colour).collect()
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn a_tone_is_a_line_at_its_frequency() {
        let tone: Vec<f32> =
            (0..8_000).map(|i| (std::f32::consts::TAU * 2_000.0 * i as f32 / 16_000.0).sin()).collect();
        let (file, width) = bitmap(&tone);
        let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
        assert_eq!(&file[..2], b"BM");
        assert_eq!((number(2), number(18), number(22)), (file.len(), width, ROWS));
        assert_eq!(width, 50, "half a second, 10 ms each");
        let pixels = &file[number(10)..];
        let row_length = width.next_multiple_of(4);
        assert_eq!(pixels.len(), ROWS * row_length);
        let brightest = (0..ROWS).max_by_key(|row| pixels[row * row_length + width / 2]);
        assert_eq!(brightest, Some(ROWS / 4), "2 of 8 kHz");
        assert!(pixels[ROWS / 2 * row_length + width / 2] < 20, "nothing at 4 kHz");
    }

    #[test]
    fn no_sound_is_a_picture_too() {
        assert_eq!(bitmap(&[]).1, 1);
        assert_eq!(bitmap(&[0.0; 16_000]).1, 100);
    }

    #[test]
    fn the_palette_goes_from_dark_to_light() {
        let palette = palette();
        assert_eq!((&palette[..3], &palette[255 * 4..255 * 4 + 3]), (&[4, 0, 0][..], &[191, 253, 252][..]));
        let light: Vec<u32> = palette.chunks(4).map(|c| c.iter().map(|v| u32::from(*v)).sum()).collect();
        assert!(light.windows(2).all(|pair| pair[1] + 3 >= pair[0]), "{light:?}");
    }
}
