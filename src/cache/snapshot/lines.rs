//! Lines of bounded length.

use std::io::{self, BufRead, Read as _};

/// Reads line by line, and keeps no more of a line in memory than [`Self::MAX_LEN`].
#[derive(Debug)]
pub struct Lines<R> {
    source: R,
    line: Vec<u8>,
}

/// A line without its end.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// The whole line.
    Whole(&'a [u8]),
    /// The line is longer than [`Lines::<R>::MAX_LEN`]: this is how it begins, and the rest was skipped.
    TooLong(&'a [u8]),
}

impl<R: BufRead> Lines<R> {
    /// The longest line that is read, in bytes: that of a link takes at most some 5 KiB, unless most of it is escaped.
    pub const MAX_LEN: usize = 16 * 1024;

    /// The lines of this source.
    pub const fn new(source: R) -> Self {
        Self { source, line: Vec::new() }
    }

    /// The next line, or `None` at the end. The last one needs no line end.
    pub fn read(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let limit = u64::try_from(Self::MAX_LEN + 1).unwrap_or(u64::MAX);
        if self.source.by_ref().take(limit).read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        match self.line.strip_suffix(b"\n") {
            Some(line) => Ok(Some(Line::Whole(line))),
            None if self.line.len() <= Self::MAX_LEN => Ok(Some(Line::Whole(&self.line))),
            None => {
                self.source.skip_until(b'\n')?;
                Ok(Some(Line::TooLong(&self.line)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_LEN: usize = Lines::<&[u8]>::MAX_LEN;

    fn lines(text: &[u8]) -> Vec<Option<Vec<u8>>> {
        let mut lines = Lines::new(text);
        let mut found = Vec::new();
        while let Some(line) = lines.read().unwrap() {
            found.push(match line {
                Line::Whole(line) => Some(line.to_vec()),
                Line::TooLong(beginning) => {
                    assert!(text.windows(beginning.len()).any(|part| part == beginning));
                    None
                }
            });
        }
        found
    }

    #[test]
    fn the_last_line_needs_no_end() {
        assert_eq!(lines(b""), []);
        assert_eq!(lines(b"a\n\nb"), [Some(b"a".into()), Some(b"".into()), Some(b"b".into())]);
        assert_eq!(lines(b"a\n"), [Some(b"a".into())]);
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_and_not_kept() {
        let longest = vec![b'x'; MAX_LEN];
        let mut text = [b"a\n".to_vec(), longest.clone(), b"\n".to_vec()].concat();
        text.extend(vec![b'y'; 100 * MAX_LEN]);
        text.extend(b"\nb");
        assert_eq!(lines(&text), [Some(b"a".into()), Some(longest.clone()), None, Some(b"b".into())]);
        assert_eq!(lines(&[longest, b"z".to_vec()].concat()), [None]);
        let mut reader = Lines::new(text.as_slice());
        while reader.read().unwrap().is_some() {}
        assert!(reader.line.capacity() <= 4 * MAX_LEN);
    }
}
