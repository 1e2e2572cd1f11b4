//! The ways in which a page is looked at.

/// A window, its colours, and what its reader has switched off or made larger.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    /// The width of the window in CSS pixels. A narrow one is a phone, with a finger for a pointer.
    pub(crate) width: u32,
    pub(crate) scheme: Scheme,
    pub(crate) runs_scripts: bool,
    /// The size of the browser's text in percent.
    pub(crate) text_size: u32,
}

/// The reader's choice of colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Light,
    Dark,
}

/// A phone and a laptop, each light and dark.
pub(crate) const VIEWS: [View; 4] =
    [PHONE, View { scheme: Scheme::Dark, ..PHONE }, LAPTOP, View { scheme: Scheme::Dark, ..LAPTOP }];

/// A phone of the smaller sort.
pub(crate) const PHONE: View = View { width: 360, scheme: Scheme::Light, runs_scripts: true, text_size: 100 };

/// A laptop.
pub(crate) const LAPTOP: View = View { width: 1280, ..PHONE };

impl View {
    /// The height of the window in CSS pixels.
    pub(crate) const fn height(self) -> u32 {
        if is_phone(self.width) { 740 } else { 800 }
    }
}

/// Returns true if a window of this width is one of a phone.
pub(crate) const fn is_phone(width: u32) -> bool {
    width < 600
}

impl Scheme {
    /// The scheme as `prefers-color-scheme` names it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}
