//! The host API as data. Its one description are the stubs in `types/`, which an editor reads as they are;
//! what else must know the API is written from them: a Luau definition file, a standard library for selene,
//! and `docs/lua-api.md`. A test holds the stubs against the functions that a VM really has.

mod item;
mod kind;
mod luau;
mod markdown;
mod selene;
mod settings;
mod stub;

#[cfg(test)]
mod tests;

pub use item::{Class, Field, Function, Item, Name, Page, Text};
pub use kind::{Argument, Kind};
pub use settings::settings_stub;
pub use stub::BadStub;

/// A stub: the name of its file without the ending, and its text.
pub type Stub = (&'static str, &'static str);

macro_rules! stubs {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../types/", $name, ".lua")))),*]
    };
}

/// The stubs, the general one first.
pub const STUBS: &[Stub] = stubs![
    "ccproxy", "body", "crypto", "error", "events", "file", "http", "json", "kv", "log", "re", "schema",
    "services", "sse", "time", "toml", "wait",
];

/// Stubs for editors only: what the language has beyond the Lua that they know, and what test files have beside the
/// host API (`docs/plugin-authoring.md` has its chapter).
pub const EXTRAS: &[Stub] = stubs!["luau", "test"];

/// The Luau definition file that is made of the stubs, for luau-lsp.
pub const LUAU: &str = include_str!("../../types/ccproxy.d.luau");

/// The standard library for selene that is made of the stubs.
pub const SELENE: &str = include_str!("../../types/ccproxy.yml");

/// The API: one page a stub.
#[derive(Debug)]
pub struct Reference {
    /// In the order of [`STUBS`].
    pub pages: Vec<Page>,
}

impl Reference {
    /// Reads stubs. Fails with the line that is not understood.
    pub fn read(stubs: &[Stub]) -> Result<Self, BadStub> {
        let pages = stubs.iter().map(|(name, text)| stub::read(name, text)).collect::<Result<_, _>>()?;
        Ok(Reference { pages })
    }

    /// Everything that is declared.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.pages.iter().flat_map(|page| &page.items)
    }

    /// The functions, those of the `ccproxy` table and methods.
    pub fn functions(&self) -> impl Iterator<Item = &Function> {
        self.items().filter_map(|item| match item {
            Item::Function(function) => Some(function),
            _ => None,
        })
    }

    /// The class of a name.
    #[must_use]
    pub fn class(&self, name: &str) -> Option<&Class> {
        self.items().find_map(|item| match item {
            Item::Class(class) if class.name == name => Some(class),
            _ => None,
        })
    }

    /// The text of `types/ccproxy.d.luau`.
    #[must_use]
    pub fn luau(&self) -> String {
        luau::write(self)
    }

    /// The text of `types/ccproxy.yml`.
    #[must_use]
    pub fn selene(&self) -> String {
        selene::write(self)
    }

    /// The text of `docs/lua-api.md`.
    #[must_use]
    pub fn markdown(&self) -> String {
        markdown::write(self)
    }
}
