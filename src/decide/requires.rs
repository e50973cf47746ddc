//! The rule for the states of outputs: a command with `requires` is refused while an output does not have the required
//! state.

use super::rules::{Check, Reason};
use crate::act::command::{Command, Output, Requirement};
use crate::act::gpio::Duty;

/// Checks whether the `outputs` have the states that `command` requires. `duties` returns the present state of an
/// output and the one that it is going to have; either may meet the requirement. `None` if the command requires
/// nothing.
pub fn check(command: &Command, outputs: &[Output], duties: impl Fn(usize) -> [Duty; 2]) -> Option<Check> {
    let listed = |on: &dyn Fn(&Requirement) -> bool| {
        let state = |r: &Requirement| format!("{} {}", outputs[r.output].name, if on(r) { "on" } else { "off" });
        command.requires.iter().map(state).collect::<Vec<_>>().join(", ")
    };
    let unmet = command.unmet(&duties);
    let refusal = unmet.map(|r| Reason::State { output: outputs[r.output].name.clone(), on: !r.on });
    let measured = listed(&|r| duties(r.output)[0] != Duty::NONE);
    let check = Check { measured, needed: listed(&|r| r.on), refusal };
    (!command.requires.is_empty()).then_some(check)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_requires_a_state_is_refused_in_another_one_and_accepted_on_the_way_to_it() {
        let text = "board = \"host\"\n[outputs.lamp]\npin = 5\n[[commands]]\nname = \"dim\"\nsay = \"less light\"\n\
                    requires = { lamp = \"on\" }\n[[commands]]\nname = \"dark\"\nsay = \"no light\"\nset = { lamp = \"off\" }\n";
        let settings = crate::config::parse("x.toml", text).unwrap();
        let check =
            |command: usize, duties: [Duty; 2]| check(&settings.commands[command], &settings.outputs, |_| duties);
        let Check { measured, needed, refusal } = check(0, [Duty::NONE; 2]).unwrap();
        assert_eq!((measured.as_str(), needed.as_str()), ("lamp off", "lamp on"));
        let reason = refusal.unwrap();
        assert_eq!(
            (reason.code(), reason.to_string().as_str()),
            ("state", "the lamp is off, and this command needs it on")
        );
        assert_eq!(check(1, [Duty::NONE; 2]), None, "a command that requires nothing");
        for duties in [[Duty::NONE, Duty::FULL], [Duty::FULL, Duty::NONE], [Duty::thousandths(1); 2]] {
            assert_eq!(check(0, duties).unwrap().refusal, None, "{duties:?}");
        }
    }
}
