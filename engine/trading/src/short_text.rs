//! Short texts that are kept in place: no allocation, and copied like numbers.

/// A text of 1 to `N` bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ShortText<const N: usize> {
    len: u8,
    text: [u8; N],
}

impl<const N: usize> ShortText<N> {
    /// Returns the text; `None` if it is empty or longer than `N` bytes.
    pub(crate) fn new(text: &str) -> Option<ShortText<N>> {
        if text.is_empty() || N < text.len() {
            return None;
        }
        let mut bytes = [0; N];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Some(ShortText { len: u8::try_from(text.len()).ok()?, text: bytes })
    }

    /// Returns the text.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..usize::from(self.len)]).unwrap_or_default()
    }
}

/// Gives a type around a [`ShortText`], made by its `new`, the forms of a text: shown, written, and read with an
/// error that says what it is not.
macro_rules! shown_as_text {
    ($Type:ident, $not:literal) => {
        impl $Type {
            /// Returns the text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl std::fmt::Debug for $Type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(self.as_str(), f)
            }
        }

        impl std::fmt::Display for $Type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl serde::Serialize for $Type {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $Type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<$Type, D::Error> {
                let text = <std::borrow::Cow<'_, str>>::deserialize(from)?;
                $Type::new(&text).ok_or_else(|| serde::de::Error::custom($not))
            }
        }
    };
}
pub(crate) use shown_as_text;
