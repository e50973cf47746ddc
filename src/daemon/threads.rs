//! Starts the threads of the daemon and stops them together.

use std::io;
use std::sync::mpsc;
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;

use super::actuator::{Actuator, Order};
use super::decider::{self, Decider};
use super::error::Error;
use super::housekeeper::Housekeeper;
use super::listener::{self, Listener, Spoken};
use super::servers::Servers;
use super::{buttons, publishing};
use crate::act::buttons::{Contacts, Talk};
use crate::act::command::Origin;
use crate::act::gpio::InputPins;
use crate::act::states::States;
use crate::act::task::Asked;
use crate::audio::AudioSource;
use crate::config::Settings;
use crate::decide::requires;
use crate::decide::rules::Reason;
use crate::grammar::Slots;
use crate::publish::client::Publisher;
use crate::report::{Outcome, Reporter, ToKeep};
use crate::runtime::mailbox::{Received, Receiver};
use crate::runtime::stop::Stop;
use crate::utterance::scratch::Scratch;

/// Most orders that may wait for the actuator, which takes microseconds for each.
const WAITING_ORDERS: usize = 8;

/// The parts of each thread.
pub struct Threads<'a> {
    pub source: Box<dyn AudioSource>,
    pub listener: Listener,
    pub inbox: Receiver<Spoken>,
    pub decider: Decider<'a>,
    pub inputs: Box<dyn InputPins>,
    pub contacts: Contacts,
    pub talk: Talk,
    pub states: States,
    pub actuator: Actuator<'a>,
    pub housekeeper: Housekeeper<'a>,
    pub servers: Servers,
    pub publisher: Option<Publisher>,
    pub to_keep: Receiver<ToKeep>,
    pub reporter: Reporter,
}

impl Threads<'_> {
    /// Runs all threads, the decider on the calling one, until `stop` is raised or the source ends.
    pub fn run(self, settings: &Settings, stop: &Stop) -> Result<(), Error> {
        let Threads { mut source, listener, inbox, decider, inputs, contacts, states, actuator, housekeeper, .. } =
            self;
        let (to_keep, reporter, talk) = (self.to_keep, self.reporter, self.talk);
        let (servers, publisher) = (self.servers, self.publisher);
        let awaited = if housekeeper.microphone.is_some() { "sound" } else { "uploads" };
        let (orders, to_do) = mpsc::sync_channel(WAITING_ORDERS);
        let (reporter_of_lost, scratch) = (reporter.clone(), decider.scratch);
        thread::scope(|scope| {
            // If this thread panics, the scope waits for the other threads, so they must be stopped.
            let _stop_on_drop = stop.raise_on_drop();
            let mut threads = vec![
                start(scope, stop, "actuator", move || actuator.work(&to_do, &reporter, stop))?,
                start(scope, stop, "housekeeper", move || housekeeper.work(&to_keep, stop))?,
            ];
            if !settings.buttons.is_empty() {
                let orders = orders.clone();
                let states = states.clone();
                let press = move |button: &str, command| {
                    let origin = Origin::Button(button.into());
                    orders.send(pressed(settings, origin, command, &states)).is_ok()
                };
                let watch = move || buttons::watch(&settings.buttons, inputs, (&contacts, &talk), press, stop);
                threads.push(start(scope, stop, "buttons", watch)?);
            }
            for (name, serve) in servers.threads(stop) {
                threads.push(start(scope, stop, name, serve)?);
            }
            if let Some(publisher) = publisher {
                let orders = orders.clone();
                let publish = move || publishing::publish(publisher, settings, &states, &orders, stop);
                threads.push(start(scope, stop, "mqtt", publish)?);
            }
            let listen = || listener::listen(source.as_mut(), listener, stop);
            let listening = named("listener").spawn_scoped(scope, listen)?;
            let (commands, outputs) = (settings.configured().len(), settings.outputs.len());
            tracing::info!(commands, outputs, "waiting for {awaited}");
            decider::decide(decider, &inbox, |decided| orders.send(Order::Decided(Box::new(decided))).is_ok(), stop);
            stop.raise();
            let heard = listening.join().map_err(died("listener"))?;
            if stop.next().is_some() {
                report_undecided(&inbox, &reporter_of_lost, scratch);
            }
            for (name, thread) in threads {
                thread.join().map_err(died(name))?;
            }
            if stop.asked() {
                tracing::info!("stopping, as asked");
            }
            if stop.asked() || stop.next().is_some() { Ok(()) } else { heard.map_err(Error::from) }
        })
    }
}

/// Reports the recordings that wait for a decision when everything begins again: they are lost.
fn report_undecided(inbox: &Receiver<Spoken>, reporter: &Reporter, scratch: &Scratch) {
    while let Received::Item(spoken) = inbox.take(Duration::ZERO) {
        if !spoken.finished {
            continue;
        }
        let reason = Reason::Lost("the configuration was read again before it was decided".into());
        reporter.outcome(Outcome::undecided(spoken.recording.number(), reason, scratch.usage()), None);
    }
}

/// The order for a command without a sentence, by a button or a program; `command` is its index. As for a sentence, it
/// may be refused. Such a command has no slots.
pub fn pressed(settings: &Settings, origin: Origin, command: usize, states: &States) -> Order {
    let number = command;
    let command = &settings.commands[number];
    let check = requires::check(command, &settings.outputs, |output| states.both(output));
    let refusal = check.and_then(|check| check.refusal);
    let actions = if refusal.is_none() { command.actions_with(&Slots::new()) } else { Vec::new() };
    let begins = refusal.is_none() && !command.tasks.is_empty();
    let asked = begins.then(|| Box::new(Asked::by(&origin, number)));
    Order::Pressed { origin, command: Some(command.name.clone()), actions, asked, refusal }
}

/// Starts a thread that raises `stop` when it ends, even by a panic.
fn start<'s>(
    scope: &'s Scope<'s, '_>,
    stop: &Stop,
    name: &'static str,
    work: impl FnOnce() + Send + 's,
) -> io::Result<(&'static str, ScopedJoinHandle<'s, ()>)> {
    let stop_on_drop = stop.raise_on_drop();
    let thread = named(name).spawn_scoped(scope, move || {
        let _stop_on_drop = stop_on_drop;
        work();
    })?;
    Ok((name, thread))
}

pub fn named(name: &str) -> thread::Builder {
    thread::Builder::new().name(name.into())
}

pub fn died<E>(name: &'static str) -> impl Fn(E) -> Error {
    move |_| Error::Panicked(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::act::gpio::Duty;
    use crate::config;

    #[test]
    fn a_press_is_refused_for_the_same_reason_as_a_sentence() {
        let text = "board = \"host\"\n[outputs.lamp]\npin = 5\n[buttons.wall]\npin = 6\ncommand = \"dim\"\n[[commands]]\n\
                    name = \"dim\"\nsay = \"less light\"\nset = { lamp = \"off\" }\nrequires = { lamp = \"on\" }\n";
        let settings = config::parse("x.toml", text).unwrap();
        let states = States::at_rest(&settings.outputs);
        let press = || match pressed(&settings, Origin::Button("wall".into()), 0, &states) {
            Order::Pressed { actions, refusal, .. } => (actions.len(), refusal.map(|reason| reason.code())),
            Order::Decided(_) => unreachable!(),
        };
        assert_eq!(press(), (0, Some("state")));
        states.show(0, Duty::FULL, Duty::FULL);
        assert_eq!(press(), (1, None));
    }
}
