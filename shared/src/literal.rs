//! Enums whose values have a name outside the code: in the database, and in what an operator writes.

/// A text that names no value of an enum. It holds the names there are, never the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be one of {}", .0.join(", "))]
pub struct UnknownLiteral(pub(crate) &'static [&'static str]);

/// Names the values of an enum, each once: `ALL`, `as_str`, `FromStr`, and `TryFrom<String>` for serde.
/// A value without a name does not compile.
macro_rules! literals {
    ($name:ident { $($value:ident = $literal:literal,)+ }) => {
        #[allow(unreachable_pub, reason = "the enum may be private")]
        impl $name {
            /// Every value, in the order of the names.
            pub const ALL: [Self; [$($literal),+].len()] = [$(Self::$value),+];

            /// The name, as it is written outside the code.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $literal,)+
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::literal::UnknownLiteral;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut all = Self::ALL.into_iter();
                let named = all.find(|value| value.as_str() == text);
                named.ok_or($crate::literal::UnknownLiteral(&[$($literal),+]))
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::literal::UnknownLiteral;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }
    };
}

pub(crate) use literals;

/// Holds that every value of an enum is read back from its name, and that no other text is a value.
#[cfg(test)]
pub(crate) fn assert_read_back<T>(all: &[T], as_str: impl Fn(T) -> &'static str)
where
    T: std::str::FromStr<Err = UnknownLiteral> + Copy + PartialEq + std::fmt::Debug,
{
    for value in all {
        let name = as_str(*value);
        assert_eq!(name.parse().as_ref(), Ok(value));
        for other in [name.to_uppercase(), format!("{name} "), String::new()] {
            assert!(other.parse::<T>().is_err(), "{other:?}");
        }
    }
}
