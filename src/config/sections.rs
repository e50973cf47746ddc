//! The sections of a configuration, and which keys stand in each. No input or output.

use super::key::Keys;
use super::keys::{
    ACT, ACTIVE_LOW, ANNOUNCE, BACKEND, BLINK, BLINK_OFF, BLINK_ON, BLINK_TIMES, BOARD, BROKER, BUTTON_PIN, CA_FILE,
    CAPACITY_OF_KEEP, CAPACITY_OF_SCRATCH, CHIP, COMMAND, COMMAND_COSTS, CONFIRM, DEAD_TIME, DEADLINE, DEBOUNCE,
    DEVICE, EARLY, FADE, GAIN_DB, HANDLE, HANGOVER, INPUTS, INTERLOCKED, KEEP, LANGUAGE, LAST, LISTEN, MAX_BYTES,
    MAX_CALLS, MAX_LENGTH, MAX_ON, METRICS_EVERY, METRICS_FILE, MIN_OFF, MIN_ON, MIN_SPEECH, MODEL, MQTT_ID, MQTT_USER,
    MQTT_WORDS, NAME, NO, OFF, OFFSET, OFFSETS, ON, PASSWORD_FILE, PAYLOAD, PIN, POST, POST_LIMIT, POST_ROLL,
    POSTED_WORDS, PRE_ROLL, PREFIX, PRESSED_LOW, PUBLISH, PULL, PULSE, PWM, REMEMBER, REQUIRE_TMPFS, REQUIRES, REST,
    RETAIN, RETRIES, RUN, RUN_LIMIT, SAY, SCENE, SET, SETTLE, SHA256, STATE, SWEEP_AFTER, TALK, THREADS, TLS, TOGGLE,
    TOKEN_FILE, TOPIC, UNFINISHED, UPLOAD_TIMEOUT, UPLOADS, WRONG_COSTS, WYOMING_ACT, WYOMING_FROM, WYOMING_LISTEN,
    YES,
};

/// All sections, in the order in which a person writes them.
pub const SECTIONS: [Keys; 23] = [
    Keys { section: "", about: "What stands at the head of the file.", keys: &[BOARD] },
    Keys { section: "microphone", about: "Where sound comes from.", keys: &[DEVICE, GAIN_DB] },
    Keys {
        section: "endpoint",
        about: "Where an utterance begins and ends.",
        keys: &[ON, OFF, PRE_ROLL, POST_ROLL, HANGOVER, EARLY, SETTLE, UNFINISHED, MIN_SPEECH, MAX_LENGTH],
    },
    Keys {
        section: "thresholds",
        about: "What a command must reach to be obeyed.",
        keys: &[WRONG_COSTS, OFFSET, OFFSETS],
    },
    Keys {
        section: "recognizer",
        about: "What recognizes.",
        keys: &[MODEL, SHA256, LANGUAGE, THREADS, DEADLINE, MAX_CALLS],
    },
    Keys {
        section: "scratch",
        about: "How much recordings may take.",
        keys: &[CAPACITY_OF_SCRATCH, REQUIRE_TMPFS, KEEP, SWEEP_AFTER],
    },
    Keys { section: "scratch.keep", about: "Recordings that stay.", keys: &[LAST, CAPACITY_OF_KEEP] },
    Keys {
        section: "metrics",
        about: "Numbers for Prometheus. They are not counted where this section is missing.",
        keys: &[METRICS_FILE, METRICS_EVERY],
    },
    Keys {
        section: "serve",
        about: "A server for recordings from other programs, over HTTP. There is none where this section is missing.",
        keys: &[LISTEN, TOKEN_FILE, ACT, MAX_BYTES, UPLOADS, UPLOAD_TIMEOUT],
    },
    Keys {
        section: "wyoming",
        about: "A server for Home Assistant's voice assistant, in its Wyoming protocol. There is none where this section is missing.",
        keys: &[WYOMING_LISTEN, WYOMING_FROM, WYOMING_ACT, HANDLE, ANNOUNCE],
    },
    Keys {
        section: "mqtt",
        about: "An MQTT broker: Home Assistant finds the device there. Nothing is published where this section is missing.",
        keys: &[BROKER, TLS, CA_FILE, MQTT_USER, PASSWORD_FILE, MQTT_WORDS, PREFIX, MQTT_ID],
    },
    Keys {
        section: "post",
        about: "How the requests of commands with post are sent.",
        keys: &[POST_LIMIT, RETRIES, POSTED_WORDS, CA_FILE],
    },
    Keys {
        section: "confirm",
        about: "What is said to a command that waits to be confirmed. These sentences are refused while none waits.",
        keys: &[YES, NO],
    },
    Keys { section: "gpio", about: "How pins are driven.", keys: &[BACKEND, CHIP, STATE, INPUTS] },
    Keys {
        section: "outputs.NAME",
        about: "An output that is switched.",
        keys: &[PIN, ACTIVE_LOW, REST, PWM, FADE, REMEMBER, MAX_ON, MIN_ON, MIN_OFF],
    },
    Keys {
        section: "interlocks.NAME",
        about: "Outputs of which never two are on: the others go off, and after the dead time the new one goes on.",
        keys: &[INTERLOCKED, DEAD_TIME],
    },
    Keys {
        section: "buttons.NAME",
        about: "A button: a press is as good as a sentence, or it is held to talk.",
        keys: &[BUTTON_PIN, COMMAND, TALK, PRESSED_LOW, PULL, DEBOUNCE],
    },
    Keys {
        section: "scenes.NAME",
        about: "Several outputs at once, in this order: an output = \"on\", \"off\" or percent.",
        keys: &[],
    },
    Keys {
        section: "lists",
        about: "What {NAME} stands for: an array of words, each a string or { say = \"(lounge|living room)\", value = \"living_room\" }; \
                or whole numbers, { from = 0, to = 100, step = 5 }.",
        keys: &[],
    },
    Keys { section: "rules", about: "What <NAME> stands for: a template.", keys: &[] },
    Keys {
        section: "commands",
        about: "What may be said, and what it does; [[commands]] begins each. A command may do several things, or none: then it is an event only.",
        keys: &[
            NAME,
            SAY,
            SET,
            TOGGLE,
            PULSE,
            BLINK,
            SCENE,
            REQUIRES,
            RUN,
            RUN_LIMIT,
            POST,
            PUBLISH,
            CONFIRM,
            COMMAND_COSTS,
        ],
    },
    Keys { section: "commands.publish", about: "A message that is published.", keys: &[TOPIC, PAYLOAD, RETAIN] },
    Keys { section: "commands.blink.NAME", about: "How an output blinks.", keys: &[BLINK_ON, BLINK_OFF, BLINK_TIMES] },
];

/// Text for a cell of a table in Markdown.
pub fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "\\<")
}
