//! What a stub declares.

use super::kind::{Argument, Kind};

/// One stub.
#[derive(Debug)]
pub struct Page {
    /// The name of its file: `kv`.
    pub name: String,
    /// In written order.
    pub items: Vec<Item>,
}

/// The words above a declaration.
#[derive(Clone, Debug, Default)]
pub struct Text {
    /// Lines of Markdown.
    pub words: Vec<String>,
    /// The lines of its `lua` block.
    pub example: Vec<String>,
}

/// A declaration.
#[derive(Debug)]
pub enum Item {
    /// A class: a handle, a table of options, or the table of a namespace.
    Class(Class),
    /// A name for a type.
    Alias {
        /// `ccproxy.Plain`
        name: String,
        /// What it stands for.
        kind: Kind,
        /// What is said about it.
        text: Text,
    },
    /// A value in the `ccproxy` table.
    Value {
        /// `ccproxy.null`
        path: String,
        /// Its type.
        kind: Kind,
        /// What is said about it.
        text: Text,
    },
    /// A function of the `ccproxy` table, or a method of a class.
    Function(Function),
}

/// A class.
#[derive(Debug)]
pub struct Class {
    /// `ccproxy.Request`
    pub name: String,
    /// The class whose fields it has too.
    pub parent: Option<String>,
    /// What any key reads as, beside the fields: key and value.
    pub index: Option<(Kind, Kind)>,
    /// In written order.
    pub fields: Vec<Field>,
    /// What is said about it.
    pub text: Text,
    /// Whether it is the table of a namespace rather than a type.
    pub namespace: bool,
}

/// A field of a class.
#[derive(Debug)]
pub struct Field {
    /// `status`
    pub name: String,
    /// Whether it may be left out.
    pub optional: bool,
    /// Its type.
    pub kind: Kind,
    /// What is said about it.
    pub words: String,
}

/// What a function is called by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// In the `ccproxy` table: `ccproxy.kv.get`
    Path(String),
    /// Of a class, called with `:`.
    Method {
        /// `ccproxy.Headers`
        class: String,
        /// `all`
        name: String,
    },
}

/// A function.
#[derive(Debug)]
pub struct Function {
    /// What it is called by.
    pub name: Name,
    /// Type parameters with their bounds.
    pub generics: Vec<(String, Option<Kind>)>,
    /// What it takes, without `self`.
    pub arguments: Vec<Argument>,
    /// The words about each argument.
    pub about: Vec<String>,
    /// What it gives: types, with names and words where there are any.
    pub results: Vec<(Kind, String, String)>,
    /// What is said about it, with its example.
    pub text: Text,
}

impl Function {
    /// As it stands in a call: `ccproxy.kv.get`, `headers:all`.
    #[must_use]
    pub fn called(&self) -> String {
        match &self.name {
            Name::Path(path) => path.clone(),
            Name::Method { class, name } => {
                let class = class.rsplit('.').next().unwrap_or(class);
                format!("{}:{name}", class.to_lowercase())
            }
        }
    }
}
