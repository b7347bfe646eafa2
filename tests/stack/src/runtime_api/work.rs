//! A function's invocations, and the progress of its processes with them.

use super::{Answer, failed};
use crate::{Result, lock};
use bytes::Bytes;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::{Notify, oneshot};

pub(super) struct Waiting {
    pub id: String,
    pub event: Bytes,
    pub deadline: Duration,
    pub answer: oneshot::Sender<Answer>,
}

pub(super) struct InFlight {
    pub environment: usize,
    pub answer: oneshot::Sender<Answer>,
}

#[derive(Default)]
pub(super) struct Work {
    pub queue: VecDeque<Waiting>,
    pub in_flight: HashMap<String, InFlight>,
}

#[derive(Default)]
pub(super) struct Shared {
    pub work: Mutex<Work>,
    pub arrived: Notify,
}

impl Work {
    /// Fails the invocations that a dead environment was serving.
    pub fn fail_in_flight(&mut self, environment: usize) {
        let lost = self
            .in_flight
            .extract_if(|_, own| own.environment == environment);
        for (_, own) in lost {
            let _ = own
                .answer
                .send(failed("Runtime.ExitError", "the environment exited"));
        }
    }
}

/// An environment's process, as its own Runtime API knows it.
#[derive(Clone, Copy)]
pub(super) struct Process {
    pub environment: usize,
    pub generation: u64,
}

/// The progress of an environment's process.
#[derive(Default)]
pub(super) struct Life {
    /// How many processes there have been. A poll of a former process gets nothing; the process may have
    /// ended before its poll was read.
    generation: u64,
    /// Whether the process has asked for an invocation, and whether it has got one.
    pub polled: bool,
    pub served: bool,
    /// How many of its polls wait for an invocation.
    polling: usize,
}

impl Life {
    /// The generation of the process that begins now.
    pub fn begin_another(&mut self) -> u64 {
        *self = Self {
            generation: self.generation + 1,
            ..Self::default()
        };
        self.generation
    }

    /// Records that the process is gone.
    pub fn end(&mut self) {
        self.generation += 1;
        self.polling = 0;
    }

    pub fn is_of(&self, process: Process) -> bool {
        self.generation == process.generation
    }

    /// Whether it has finished all its invocations. A process asks for the next one when it has finished
    /// one, so it then polls as often at a time as it serves invocations at once.
    pub fn is_idle(&self, at_once: usize) -> bool {
        !self.served || self.polling >= at_once
    }
}

/// A poll that waits for an invocation.
pub(super) struct Poll<'a> {
    life: &'a Mutex<Life>,
    process: Process,
}

impl<'a> Poll<'a> {
    pub fn begin(life: &'a Mutex<Life>, process: Process) -> Result<Self> {
        let mut own = lock(life);
        if !own.is_of(process) {
            return Err("the process is gone".into());
        }
        own.polled = true;
        own.polling += 1;
        drop(own);
        Ok(Self { life, process })
    }
}

impl Drop for Poll<'_> {
    fn drop(&mut self) {
        let mut life = lock(self.life);
        if life.is_of(self.process) {
            life.polling -= 1;
        }
    }
}

/// How many invocations a process serves at once, by its environment variables.
pub(super) fn at_once(env: &[(String, String)]) -> usize {
    let own = env
        .iter()
        .rfind(|(name, _)| name == "AWS_LAMBDA_MAX_CONCURRENCY");
    own.and_then(|(_, value)| value.parse().ok())
        .map_or(1, |most: usize| most.max(1))
}

pub(super) type SharedLife = Arc<Mutex<Life>>;
