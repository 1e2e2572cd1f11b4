//! A text of a caller's, as a page shows it: with its invisible characters marked.

/// The characters of a shortened text that stand behind the ellipsis.
const TAIL: usize = 12;

/// A text in which each invisible character is replaced by its code point. A person then sees why two texts differ, and no
/// character changes the direction of what stands around it. `templates/visible_text.html` writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) struct VisibleText {
    pub(in crate::web) runs: Vec<TextRun>,
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) struct TextRun {
    pub(in crate::web) text: String,
    /// True if it stands for an invisible character.
    pub(in crate::web) is_code_point: bool,
}

impl VisibleText {
    /// Shows the whole text.
    pub(in crate::web) fn new(text: &str) -> Self {
        Self::marking(text, is_invisible)
    }

    /// Shows a whole text that may have several lines.
    pub(in crate::web) fn of_lines(text: &str) -> Self {
        Self::marking(text, |char| is_invisible(char) && !matches!(char, '\n' | '\t'))
    }

    fn marking(text: &str, is_marked: fn(char) -> bool) -> Self {
        let mut runs: Vec<TextRun> = Vec::new();
        for char in text.chars() {
            if is_marked(char) {
                let text = format!("U+{:04X}", u32::from(char));
                runs.push(TextRun { text, is_code_point: true });
            } else if let Some(run) = runs.last_mut().filter(|run| !run.is_code_point) {
                run.text.push(char);
            } else {
                runs.push(TextRun { text: char.into(), is_code_point: false });
            }
        }
        Self { runs }
    }

    /// Shows a text; if it has more than `max` characters, its beginning and its end.
    pub(in crate::web) fn shortened(text: &str, max: usize) -> Self {
        let len = text.chars().count();
        if len <= max {
            return Self::new(text);
        }
        let head: String = text.chars().take(max.saturating_sub(TAIL + 1)).collect();
        let tail: String = text.chars().skip(len - TAIL).collect();
        Self::new(&format!("{head}…{tail}"))
    }
}

/// Returns true if a character is not seen, or changes the direction of the text after it.
pub(super) fn is_invisible(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{A0}' | '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{180E}' | '\u{2800}' | '\u{3164}')
        || matches!(char, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}')
        // Variation selectors, annotations and tags.
        || matches!(char, '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E01EF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &VisibleText) -> String {
        let run =
            |run: &TextRun| if run.is_code_point { format!("[{}]", run.text) } else { run.text.clone() };
        text.runs.iter().map(run).collect()
    }

    #[test]
    fn an_invisible_character_is_shown_by_its_code_point() {
        for (text, expected) in
            [("", ""), ("a b/ü", "a b/ü"), ("a\0b", "a[U+0000]b"), ("\u{202e}\u{200b}x", "[U+202E][U+200B]x")]
        {
            assert_eq!(shown(&VisibleText::new(text)), expected);
        }
    }

    #[test]
    fn a_long_text_is_shown_with_its_beginning_and_its_end() {
        assert_eq!(shown(&VisibleText::shortened("0123456789", 10)), "0123456789");
        let long = "x".repeat(100) + "the very end";
        assert_eq!(shown(&VisibleText::shortened(&long, 20)), "xxxxxxx…the very end");
    }
}
