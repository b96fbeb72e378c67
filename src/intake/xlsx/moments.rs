//! Which columns hold moments, by the number formats of their cells: a moment at midnight is the same number as the day.

use calamine::Style;

use super::{Book, broken};
use crate::intake::faults::Stop;

/// What a number format shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shows {
    Day,
    Moment,
    Other,
}

/// Of each column from `first` on, whether every cell below the header that is formatted as a day shows a time of it too.
pub fn columns(book: &mut Book, sheet: &str, (header, first): (u32, u32), count: usize) -> Result<Vec<bool>, Stop> {
    let mut cells = book.worksheet_cells_reader(sheet).map_err(broken)?;
    let shown: Vec<Shows> = cells.styles().iter().map(shows).collect();
    let mut seen = vec![(false, false); count];
    // In most workbooks no format has a time, and the cells need not be gone through.
    if shown.contains(&Shows::Moment) {
        while let Some((row, column, style)) = cells.next_style_id().map_err(broken)? {
            let Some((day, moment)) = seen.get_mut(column.wrapping_sub(first) as usize).filter(|_| row > header) else { continue };
            match shown.get(style) {
                Some(Shows::Day) => *day = true,
                Some(Shows::Moment) => *moment = true,
                Some(Shows::Other) | None => {}
            }
        }
    }
    Ok(seen.into_iter().map(|(day, moment)| moment && !day).collect())
}

fn shows(style: &Style) -> Shows {
    style.number_format.as_ref().map_or(Shows::Other, |format| shown_by(&format.format_code))
}

/// Reads the first part of a format: letters outside of quotes and brackets, of which `m` is a month or a minute.
fn shown_by(format: &str) -> Shows {
    let (mut day, mut time) = (false, false);
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ';' => break,
            // The next character stands for itself, or for room.
            '\\' | '_' | '*' => drop(letters.next()),
            '"' => drop(letters.find(|letter| *letter == '"')),
            '[' => drop(letters.find(|letter| *letter == ']')),
            'y' | 'Y' | 'd' | 'D' => day = true,
            'h' | 'H' | 's' | 'S' => time = true,
            _ => {}
        }
    }
    match (day, time) {
        (true, true) => Shows::Moment,
        (true, false) => Shows::Day,
        (false, _) => Shows::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_read() {
        for (format, wanted) in [
            ("yyyy-mm-dd", Shows::Day),
            ("yyyy-mm-dd hh:mm", Shows::Moment),
            ("m/d/yy h:mm", Shows::Moment),
            ("[$-804]yyyy\"年\"m\"月\"d\"日\" h\"时\"mm\"分\";@", Shows::Moment),
            ("yyyy\"hours\"", Shows::Day),
            ("yyyy\\h", Shows::Day),
            ("yyyy;h:mm", Shows::Day),
            ("h:mm:ss AM/PM", Shows::Other),
            ("[h]:mm", Shows::Other),
            ("General", Shows::Other),
            ("[Red]0.00", Shows::Other),
            ("\"never closed", Shows::Other),
        ] {
            assert_eq!(shown_by(format), wanted, "{format}");
        }
    }
}
