//! Other names of things in a home, to propose where two words sound alike.

/// Words that are common in homes, each with another name that a list with the word is not likely to have too.
pub const OTHER: [(&str, &str); 16] = [
    ("bathroom", "bath"),
    ("bedroom", "sleeping room"),
    ("blinds", "shutters"),
    ("ceiling", "overhead"),
    ("curtains", "drapes"),
    ("door", "entrance"),
    ("fan", "ventilator"),
    ("garage", "carport"),
    ("heater", "radiator"),
    ("kitchen", "cooking area"),
    ("lamp", "light"),
    ("lights", "lamps"),
    ("lounge", "living room"),
    ("office", "study"),
    ("tv", "television"),
    ("unlock", "open"),
];
