//! What people say when they are asked whether they mean it.

/// Words of consent.
pub const YES: [&str; 3] = ["yes", "yes please", "confirm"];
/// Words of refusal.
pub const NO: [&str; 3] = ["no", "no thanks", "cancel"];
