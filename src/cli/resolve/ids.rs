//! The ids to resolve, as they are read: from the arguments, or from standard input while others are resolved.

use std::borrow::Cow;
use std::io::{self, BufRead};
use std::thread;

use clap::ValueEnum;
use futures_util::{Stream, stream};
use tokio::sync::mpsc;

use crate::cache::snapshot::{Line, Lines};
use crate::domain::{IdCandidates, IdText, InvalidId, Kind};
use crate::web::{LinkJson, Problem};

/// The ids that are read ahead: a batch, so that a fast source fills the next one while others are under way.
const READ_AHEAD: usize = 1000;

/// The byte order mark in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum KindArgument {
    Interaction,
    Conversation,
}

impl KindArgument {
    pub(super) const fn kind(self) -> Kind {
        match self {
            Self::Interaction => Kind::Interaction,
            Self::Conversation => Kind::Conversation,
        }
    }
}

/// An id to resolve.
#[derive(Debug)]
pub(super) struct RequestedId {
    /// The id as it was given. Bytes that are not UTF-8 are replaced.
    pub(super) text: String,
    pub(super) kind: Kind,
    /// The items that it may mean.
    pub(super) candidates: Result<IdCandidates<'static>, InvalidId>,
    /// The bytes that it takes in its source, with the line end.
    pub(super) len: u64,
    /// True for an empty line, which asks for nothing.
    pub(super) is_empty_line: bool,
}

/// The ids in their order. A thread reads them, no further ahead than [`READ_AHEAD`].
pub(super) struct Ids {
    receiver: mpsc::Receiver<io::Result<RequestedId>>,
    /// An error behind ids that are still to be resolved.
    error: Option<io::Error>,
}

impl RequestedId {
    fn new(kind: Kind, text: String) -> Self {
        let candidates =
            IdCandidates::of_kind(kind, IdText::from(text.as_str())).map(IdCandidates::into_owned);
        let len = text.len() as u64;
        Self { text, kind, candidates, len, is_empty_line: false }
    }

    fn of_line(kind: Kind, line: &Line<'_>) -> Self {
        match line {
            Line::Whole(bytes) => {
                let bare = bytes.strip_suffix(b"\r").unwrap_or(bytes);
                let id = match String::from_utf8_lossy(bare) {
                    Cow::Borrowed(text) => Self::new(kind, text.to_owned()),
                    // Another id than the one that was meant: it is only shown.
                    Cow::Owned(text) => Self { candidates: Err(InvalidId::NotUtf8), ..Self::new(kind, text) },
                };
                Self { len: bytes.len() as u64 + 1, is_empty_line: bare.is_empty(), ..id }
            }
            Line::TooLong(beginning) => {
                let text = String::from_utf8_lossy(beginning).into_owned();
                let len = beginning.len() as u64;
                Self { text, kind, candidates: Err(InvalidId::TooLong), len, is_empty_line: false }
            }
        }
    }
}

impl RequestedId {
    /// Its link, if it cannot be an id.
    pub(super) fn invalid(&self, why: InvalidId) -> LinkJson {
        let kind = Some(self.kind);
        LinkJson::invalid(kind, self.text.clone(), Problem::InvalidId { why, kind })
    }
}

impl Ids {
    /// These ids.
    pub(super) fn given(kind: KindArgument, ids: Vec<String>) -> io::Result<Self> {
        let kind = kind.kind();
        let (sender, receiver) = mpsc::channel(READ_AHEAD);
        let mut ids = ids.into_iter().map(move |id| Ok(RequestedId::new(kind, id)));
        // They are there already, so they make one batch.
        for id in ids.by_ref().take(READ_AHEAD) {
            // There is room for so many.
            drop(sender.try_send(id));
        }
        Self::read_by(sender, receiver, move |sender| {
            for id in ids {
                // Nobody receives them any more once the printing has ended.
                if sender.blocking_send(id).is_err() {
                    break;
                }
            }
        })
    }

    /// The lines of this source, one id a line.
    pub(super) fn lines_of<R: BufRead>(
        kind: KindArgument,
        source: impl FnOnce() -> R + Send + 'static,
    ) -> io::Result<Self> {
        let kind = kind.kind();
        let (sender, receiver) = mpsc::channel(READ_AHEAD);
        Self::read_by(sender, receiver, move |sender| {
            let mut lines = Lines::new(source());
            let mut is_first = true;
            while let Some(line) = lines.read().transpose() {
                let id = line.map(|line| match line {
                    // The mark with which some programs begin a file.
                    Line::Whole(bytes) if is_first => RequestedId::of_line(
                        kind,
                        &Line::Whole(bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)),
                    ),
                    line => RequestedId::of_line(kind, &line),
                });
                is_first = false;
                let is_last = id.is_err();
                if sender.blocking_send(id).is_err() || is_last {
                    break;
                }
            }
        })
    }

    fn read_by(
        sender: mpsc::Sender<io::Result<RequestedId>>,
        receiver: mpsc::Receiver<io::Result<RequestedId>>,
        read: impl FnOnce(&mpsc::Sender<io::Result<RequestedId>>) + Send + 'static,
    ) -> io::Result<Self> {
        thread::Builder::new().name("ids".to_owned()).spawn(move || read(&sender))?;
        Ok(Self { receiver, error: None })
    }

    /// The ids one by one.
    pub(super) fn into_stream(self) -> impl Stream<Item = io::Result<RequestedId>> {
        stream::unfold(self.receiver, async |mut receiver| Some((receiver.recv().await?, receiver)))
    }

    /// The next ids: those that have been read, at most `limit`, and at least one. None at the end.
    pub(super) async fn next_batch(&mut self, limit: usize) -> io::Result<Vec<RequestedId>> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let mut read = Vec::new();
        self.receiver.recv_many(&mut read, limit.max(1)).await;
        let mut ids = Vec::with_capacity(read.len());
        for id in read {
            match id {
                Ok(id) => ids.push(id),
                Err(error) if ids.is_empty() => return Err(error),
                // It is the last.
                Err(error) => self.error = Some(error),
            }
        }
        Ok(ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn texts_of(mut ids: Ids, limit: usize) -> Vec<String> {
        let mut texts = Vec::new();
        loop {
            let batch = ids.next_batch(limit).await.unwrap();
            assert!(batch.len() <= limit);
            if batch.is_empty() {
                return texts;
            }
            texts.extend(batch.into_iter().map(|id| id.text));
        }
    }

    #[tokio::test]
    async fn ids_are_read_one_a_line_and_each_line_counts() {
        let lines = &b"\xef\xbb\xbfa\n\nb c\r\n\xff\nlast"[..];
        let read = || Ids::lines_of(KindArgument::Conversation, move || lines).unwrap();
        for limit in [1, 2, 1000] {
            assert_eq!(texts_of(read(), limit).await, ["a", "", "b c", "\u{fffd}", "last"]);
        }
        let given = Ids::given(KindArgument::Conversation, vec!["a".to_owned(), String::new()]).unwrap();
        assert_eq!(texts_of(given, 1000).await, ["a", ""]);
    }

    #[tokio::test]
    async fn a_line_that_is_not_utf_8_is_no_id() {
        let mut ids = Ids::lines_of(KindArgument::Conversation, || &b"a\xff\n"[..]).unwrap();
        let batch = ids.next_batch(10).await.unwrap();
        assert_eq!(batch[0].candidates.as_ref().err(), Some(&InvalidId::NotUtf8));
    }

    #[tokio::test]
    async fn a_line_that_is_far_too_long_is_an_id_that_is_too_long() {
        let line = vec![b'x'; 1 << 20];
        let mut ids = Ids::lines_of(KindArgument::Conversation, move || io::Cursor::new(line)).unwrap();
        let batch = ids.next_batch(10).await.unwrap();
        let [id] = &batch[..] else { panic!("{}", batch.len()) };
        assert_eq!(id.candidates.as_ref().err(), Some(&InvalidId::TooLong));
        assert!(id.text.len() < 100_000);
    }

    #[tokio::test]
    async fn an_error_of_the_source_comes_behind_the_ids_before_it() {
        struct Failing;
        impl io::Read for Failing {
            fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("on purpose"))
            }
        }
        let source = || io::BufReader::new(io::Read::chain(&b"a\nb\n"[..], Failing));
        let mut ids = Ids::lines_of(KindArgument::Conversation, source).unwrap();
        let mut texts = Vec::new();
        let error = loop {
            match ids.next_batch(1000).await {
                Ok(batch) => texts.extend(batch.into_iter().map(|id| id.text)),
                Err(error) => break error,
            }
        };
        assert_eq!(
            (texts, error.to_string()),
            (vec!["a".to_owned(), "b".to_owned()], "on purpose".to_owned())
        );
    }
}
