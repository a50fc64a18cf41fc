//! Ways to write a schema down: `Field::integer("port", "Port to listen on").between(0, 65_535).or(8000)`.

use serde_json::Value;

use super::{Field, FieldKind, Schema};

impl Schema {
    /// A table with these fields and no others.
    pub fn of(fields: impl IntoIterator<Item = Field>) -> Self {
        Schema { fields: fields.into_iter().collect(), open: false }
    }

    /// Keeps keys that no field describes.
    pub fn open(mut self) -> Self {
        self.open = true;
        self
    }

    /// Adds a field at the end.
    pub fn with(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }

    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl Field {
    /// A setting that may be absent.
    pub fn new(name: &str, kind: FieldKind, doc: &str) -> Self {
        Field { name: name.to_owned(), doc: doc.to_owned(), kind, default: None, required: false }
    }

    /// Anything.
    pub fn any(name: &str, doc: &str) -> Self {
        Field::new(name, FieldKind::Any, doc)
    }

    /// True or false.
    pub fn boolean(name: &str, doc: &str) -> Self {
        Field::new(name, FieldKind::Boolean, doc)
    }

    /// A whole number.
    pub fn integer(name: &str, doc: &str) -> Self {
        Field::new(name, FieldKind::Integer { min: None, max: None }, doc)
    }

    /// A number.
    pub fn number(name: &str, doc: &str) -> Self {
        Field::new(name, FieldKind::Number { min: None, max: None }, doc)
    }

    /// Text.
    pub fn string(name: &str, doc: &str) -> Self {
        Field::new(name, FieldKind::String { min_length: None, pattern: None }, doc)
    }

    /// One of these texts.
    pub fn choice(name: &str, values: &[&str], doc: &str) -> Self {
        Field::new(name, FieldKind::Enum(values.iter().map(|&value| value.to_owned()).collect()), doc)
    }

    /// Seconds.
    pub fn duration(name: &str, doc: &str) -> Self {
        Field::new(name, FieldKind::Duration { min: None, max: None }, doc)
    }

    /// Bytes.
    pub fn size(name: &str, doc: &str) -> Self {
        Field::new(name, FieldKind::Size { min: None, max: None }, doc)
    }

    /// An http or https URL.
    pub fn url(name: &str, doc: &str) -> Self {
        Field::new(name, FieldKind::Url, doc)
    }

    /// The URL of a proxy.
    pub fn proxy_url(name: &str, doc: &str) -> Self {
        Field::new(name, FieldKind::ProxyUrl, doc)
    }

    /// A path.
    pub fn path(name: &str, doc: &str) -> Self {
        Field::new(name, FieldKind::Path, doc)
    }

    /// A credential.
    pub fn secret(name: &str, doc: &str) -> Self {
        Field::new(name, FieldKind::Secret, doc)
    }

    /// Values of one kind.
    pub fn list(name: &str, of: FieldKind, doc: &str) -> Self {
        Field::new(name, FieldKind::List(Box::new(of)), doc)
    }

    /// Free keys, values of one kind.
    pub fn map(name: &str, of: FieldKind, doc: &str) -> Self {
        Field::new(name, FieldKind::Map(Box::new(of)), doc)
    }

    /// A table with described fields.
    pub fn table(name: &str, schema: Schema, doc: &str) -> Self {
        Field::new(name, FieldKind::Table(schema), doc)
    }

    /// The value when it is not set, as a user would write it: `"5m"` is a fine default of a duration.
    pub fn or(mut self, default: impl Into<Value>) -> Self {
        self.default = Some(default.into());
        self
    }

    /// It must be set.
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Least and greatest: a number, seconds, or bytes. Other kinds have no bounds and stay as they are.
    pub fn between(mut self, least: impl Into<Value>, greatest: impl Into<Value>) -> Self {
        let (least, greatest) = (least.into(), greatest.into());
        match &mut self.kind {
            FieldKind::Integer { min, max } => (*min, *max) = (least.as_i64(), greatest.as_i64()),
            FieldKind::Number { min, max } | FieldKind::Duration { min, max } => {
                (*min, *max) = (least.as_f64(), greatest.as_f64());
            }
            FieldKind::Size { min, max } => (*min, *max) = (least.as_u64(), greatest.as_u64()),
            _ => {}
        }
        self
    }

    /// A regular expression that the text must match.
    pub fn matching(mut self, expression: &str) -> Self {
        if let FieldKind::String { pattern, .. } = &mut self.kind {
            *pattern = Some(expression.to_owned());
        }
        self
    }
}

impl FieldKind {
    /// Text of any length, for lists and maps.
    pub fn string() -> Self {
        FieldKind::String { min_length: None, pattern: None }
    }
}
