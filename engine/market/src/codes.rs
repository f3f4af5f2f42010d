//! Macros for enums that appear in files and messages. Each variant is declared with its name and,
//! if records store it, with its code.
//!
//! ```
//! spreadwire_market::coded! {
//!     /// A traffic light.
//!     pub enum Light {
//!         /// Wait.
//!         Red = 0 => "red",
//!         /// Go.
//!         Green = 2 => "green",
//!     }
//! }
//! assert_eq!(Light::of_code(2), Some(Light::Green));
//! assert_eq!(Light::of_name("red"), Some(Light::Red));
//! assert_eq!((Light::Green.code(), Light::Green.to_string()), (2, "green".to_owned()));
//! assert_eq!((Light::of_code(1), Light::ALL.len()), (None, 2));
//! ```

/// Declares an enum of names with `ALL` (in declaration order), `name`, `of_name`, and a `Display`
/// that prints the name.
#[macro_export]
macro_rules! named {
    (
        $(#[$meta:meta])*
        $visibility:vis enum $Enum:ident {
            $($(#[$variant_meta:meta])* $Variant:ident $(= $code:literal)? => $name:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $visibility enum $Enum {
            $($(#[$variant_meta])* $Variant $(= $code)?,)+
        }

        #[allow(dead_code, reason = "some enums are written but never parsed")]
        impl $Enum {
            /// All variants in declaration order.
            $visibility const ALL: [$Enum; [$($name),+].len()] = [$($Enum::$Variant),+];

            /// Returns the name used in files, messages and counters.
            #[must_use]
            $visibility const fn name(self) -> &'static str {
                match self {
                    $($Enum::$Variant => $name,)+
                }
            }

            /// Returns the variant with this name; `None` if this version has no such variant.
            #[must_use]
            $visibility fn of_name(name: &str) -> Option<$Enum> {
                match name {
                    $($name => Some($Enum::$Variant),)+
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for $Enum {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.pad(self.name())
            }
        }
    };
}

/// Declares an enum like [`named!`], with a one-byte code for each variant that records store. The
/// codes are part of file formats: a code never changes its meaning.
#[macro_export]
macro_rules! coded {
    (
        $(#[$meta:meta])*
        $visibility:vis enum $Enum:ident {
            $($(#[$variant_meta:meta])* $Variant:ident = $code:literal => $name:literal,)+
        }
    ) => {
        $crate::named! {
            $(#[$meta])*
            #[repr(u8)]
            $visibility enum $Enum {
                $($(#[$variant_meta])* $Variant = $code => $name,)+
            }
        }

        impl $Enum {
            /// Returns the code stored in records.
            #[must_use]
            #[inline]
            $visibility const fn code(self) -> u8 {
                self as u8
            }

            /// Returns the variant with this code; `None` if this version has no such variant.
            #[must_use]
            #[inline]
            $visibility const fn of_code(code: u8) -> Option<$Enum> {
                match code {
                    $($code => Some($Enum::$Variant),)+
                    _ => None,
                }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    coded! {
        /// Codes that are neither in order nor contiguous.
        enum Fruit {
            /// First.
            Pear = 3 => "pear",
            /// Second.
            Fig = 1 => "wild_fig",
        }
    }

    #[test]
    fn codes_and_names_lead_back_and_unknown_ones_lead_nowhere() {
        for fruit in Fruit::ALL {
            assert_eq!(Fruit::of_code(fruit.code()), Some(fruit));
            assert_eq!(Fruit::of_name(fruit.name()), Some(fruit));
        }
        assert_eq!(Fruit::ALL.map(Fruit::code), [3, 1]);
        assert_eq!([0, 2, 4, 255].map(Fruit::of_code), [None; 4]);
        assert_eq!([Fruit::of_name(""), Fruit::of_name("Pear"), Fruit::of_name("fig")], [None; 3]);
        assert_eq!(format!("{:>9}|", Fruit::Fig), " wild_fig|");
    }
}
