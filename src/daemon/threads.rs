//! Starts the threads of the daemon and stops them together.

use std::io;
use std::sync::mpsc::{self, SyncSender};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;

use super::actuator::{Actuator, Order};
use super::decider::{self, Decider};
use super::error::Error;
use super::housekeeper::Housekeeper;
use super::listener::{self, Listener, Spoken};
use super::servers::{Servers, Work};
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
use crate::serve::wyoming::Handle;
use crate::utterance::scratch::Scratch;

/// Most orders that may wait for the actuator, which takes microseconds for each.
const WAITING_ORDERS: usize = 8;

/// The parts of each thread.
pub struct Threads<'a> {
    pub source: Box<dyn AudioSource>,
    pub listener: Listener,
    pub inbox: Receiver<Spoken>,
    pub decider: Decider<'a>,
    pub others: Others<'a>,
}

/// The parts of the threads beside the listener and the decider.
pub struct Others<'a> {
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

impl<'a> Threads<'a> {
    /// Runs all threads, the decider on the calling one, until `stop` is raised or the source ends.
    pub fn run(self, settings: &'a Settings, stop: &'a Stop) -> Result<(), Error> {
        let Threads { mut source, listener, inbox, decider, others } = self;
        let awaited = if others.housekeeper.microphone.is_some() { "sound" } else { "uploads" };
        let (orders, to_do) = mpsc::sync_channel(WAITING_ORDERS);
        let (reporter, scratch) = (others.reporter.clone(), decider.scratch);
        thread::scope(|scope| {
            // If this thread panics, the scope waits for the other threads, so they must be stopped.
            let _stop_on_drop = stop.raise_on_drop();
            let work = others.work(settings, (&orders, to_do), stop);
            let started = work.into_iter().map(|(name, work)| start(scope, stop, name, work));
            let threads = started.collect::<io::Result<Vec<_>>>()?;
            let listen = || listener::listen(source.as_mut(), listener, stop);
            let listening = named("listener").spawn_scoped(scope, listen)?;
            let (commands, outputs) = (settings.configured().len(), settings.outputs.len());
            tracing::info!(commands, outputs, "waiting for {awaited}");
            decider::decide(decider, &inbox, |decided| orders.send(Order::Decided(Box::new(decided))).is_ok(), stop);
            stop.raise();
            let heard = listening.join().map_err(died("listener"))?;
            if stop.next().is_some() {
                report_undecided(&inbox, &reporter, scratch);
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

impl<'a> Others<'a> {
    /// The work of each thread. What they ask for goes to `orders`, and comes to the actuator in `to_do`.
    fn work(
        self,
        settings: &'a Settings,
        (orders, to_do): (&SyncSender<Order>, mpsc::Receiver<Order>),
        stop: &'a Stop,
    ) -> Vec<Work<'a>> {
        let Others { inputs, contacts, talk, states, actuator, housekeeper, servers, .. } = self;
        let (publisher, to_keep, reporter) = (self.publisher, self.to_keep, self.reporter);
        let mut work: Vec<Work<'a>> = vec![
            ("actuator", Box::new(move || actuator.work(&to_do, &reporter, stop))),
            ("housekeeper", Box::new(move || housekeeper.work(&to_keep, stop))),
        ];
        if !settings.buttons.is_empty() {
            let (orders, states) = (orders.clone(), states.clone());
            let press = move |button: &str, command| {
                let origin = Origin::Button(button.into());
                orders.send(pressed(settings, origin, (command, Slots::new()), &states)).is_ok()
            };
            let watch = move || buttons::watch(&settings.buttons, inputs, (&contacts, &talk), press, stop);
            work.push(("buttons", Box::new(watch)));
        }
        work.extend(servers.threads(handler(settings, &states, orders), stop));
        if let Some(publisher) = publisher {
            let orders = orders.clone();
            let publish = move || publishing::publish(publisher, settings, &states, &orders, stop);
            work.push(("mqtt", Box::new(publish)));
        }
        work
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

/// What carries out a command that a text asks for. The error says why it is refused.
fn handler<'a>(settings: &'a Settings, states: &States, orders: &SyncSender<Order>) -> Box<Handle<'a>> {
    let (states, orders) = (states.clone(), orders.clone());
    Box::new(move |command: usize, slots: Slots| {
        if settings.commands[command].confirm.is_some() {
            return Err("this command waits for a yes, which must be heard".into());
        }
        let order = pressed(settings, Origin::Wyoming, (command, slots), &states);
        let refusal = match &order {
            Order::Pressed { refusal, .. } => refusal.as_ref().map(ToString::to_string),
            Order::Decided(_) => None,
        };
        orders.try_send(order).map_err(|_| "too much is asked for at once")?;
        refusal.map_or(Ok(()), Err)
    })
}

/// The order for a command without a recording, by a button or a program: its index, and the values of its slots. As for
/// a sentence, it may be refused.
pub fn pressed(settings: &Settings, origin: Origin, (number, slots): (usize, Slots), states: &States) -> Order {
    let command = &settings.commands[number];
    let check = requires::check(command, &settings.outputs, |output| states.both(output));
    let refusal = check.and_then(|check| check.refusal);
    let actions = if refusal.is_none() { command.actions_with(&slots) } else { Vec::new() };
    let begins = refusal.is_none() && !command.tasks.is_empty();
    let asked = begins.then(|| Box::new(Asked::by(&origin, number, slots)));
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
    fn a_text_is_carried_out_with_its_slots_or_says_why_not() {
        let text = "board = \"host\"\n[outputs.lamp]\npin = 5\n[lists]\nstate = [\"on\", \"off\"]\n\
                    [[commands]]\nname = \"lamp\"\nsay = \"lamp {state}\"\nset = { lamp = \"{state}\" }\n\
                    [[commands]]\nname = \"dim\"\nsay = \"less light\"\nset = { lamp = \"off\" }\nrequires = { lamp = \"on\" }\n\
                    [[commands]]\nname = \"door\"\nsay = \"open the door\"\nset = { lamp = \"on\" }\nconfirm = \"5 s\"\n";
        let settings = config::parse("x.toml", text).unwrap();
        let (orders, taken) = mpsc::sync_channel(1);
        let handle = handler(&settings, &States::at_rest(&settings.outputs), &orders);
        let handled = |words: &str| {
            let (command, slots) = settings.grammar.reach(words).sentence().unwrap();
            let answer = handle(command, slots);
            let order = taken.try_recv().ok().map(|order| match order {
                Order::Pressed { origin, actions, refusal, .. } => (origin, actions.len(), refusal.is_some()),
                Order::Decided(_) => unreachable!(),
            });
            (answer.is_ok(), order)
        };
        assert_eq!(handled("lamp on"), (true, Some((Origin::Wyoming, 1, false))));
        assert_eq!(handled("less light"), (false, Some((Origin::Wyoming, 0, true))));
        assert_eq!(handled("open the door"), (false, None));
        orders
            .try_send(pressed(&settings, Origin::Mqtt, (1, Slots::new()), &States::at_rest(&settings.outputs)))
            .unwrap();
        let (command, slots) = settings.grammar.reach("lamp on").sentence().unwrap();
        assert!(handle(command, slots).is_err(), "there is no room");
    }

    #[test]
    fn a_press_is_refused_for_the_same_reason_as_a_sentence() {
        let text = "board = \"host\"\n[outputs.lamp]\npin = 5\n[buttons.wall]\npin = 6\ncommand = \"dim\"\n[[commands]]\n\
                    name = \"dim\"\nsay = \"less light\"\nset = { lamp = \"off\" }\nrequires = { lamp = \"on\" }\n";
        let settings = config::parse("x.toml", text).unwrap();
        let states = States::at_rest(&settings.outputs);
        let press = || match pressed(&settings, Origin::Button("wall".into()), (0, Slots::new()), &states) {
            Order::Pressed { actions, refusal, .. } => (actions.len(), refusal.map(|reason| reason.code())),
            Order::Decided(_) => unreachable!(),
        };
        assert_eq!(press(), (0, Some("state")));
        states.show(0, Duty::FULL, Duty::FULL);
        assert_eq!(press(), (1, None));
    }
}
