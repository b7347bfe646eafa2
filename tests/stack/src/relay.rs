//! A TCP relay on loopback in front of a server. It plays what a network and a failing server do, also to sessions
//! that have long begun.

use crate::Result;
use crate::server::LOOPBACK;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// What happens to the bytes of every connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// They pass.
    None,
    /// Every connection is reset, and so is each new one.
    Refused,
    /// They pass with this pause before each piece.
    Slow(Duration),
    /// They pass with this pause before each piece of the client's.
    SlowRequests(Duration),
    /// A new connection begins with this pause.
    Late(Duration),
    /// This many bytes more reach the server, and then no more.
    Request(usize, Then),
    /// This many bytes more reach the client, and then no more.
    Answer(usize, Then),
}

/// What follows the last byte that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    Reset,
    Close,
    /// Nothing: the connection stays open, and nothing passes either way.
    Silence,
}

#[derive(Debug, Clone, Copy)]
struct State {
    target: SocketAddr,
    fault: Fault,
    /// The words of a client that begin the fault, if it has not begun.
    from: Option<&'static str>,
}

impl State {
    fn fault(&self) -> Fault {
        match self.from {
            Some(_) => Fault::None,
            None => self.fault,
        }
    }
}

/// A running relay; dropping it closes its connections.
pub struct Relay {
    port: u16,
    state: Arc<watch::Sender<State>>,
    accepting: JoinHandle<()>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Relay {
    /// A relay without a fault in front of this port of loopback.
    pub async fn start(port: u16) -> Result<Self> {
        let listener = TcpListener::bind(LOOPBACK).await?;
        let own = listener.local_addr()?.port();
        let (state, _) = watch::channel(State {
            target: target(port),
            fault: Fault::None,
            from: None,
        });
        let state = Arc::new(state);
        let relayed = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            // The set is dropped with this task, so that no connection outlives the relay.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                connections.spawn(relay(client, Arc::clone(&relayed)));
            }
        });
        Ok(Self {
            port: own,
            state,
            accepting,
        })
    }

    pub fn host(&self) -> &str {
        "127.0.0.1"
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on, this happens to every connection.
    pub fn set(&self, fault: Fault) {
        self.state.send_modify(|state| {
            state.fault = fault;
            state.from = None;
        });
    }

    /// The same from the moment when a client sends these words.
    pub fn set_from(&self, words: &'static str, fault: Fault) {
        self.state.send_modify(|state| {
            state.fault = fault;
            state.from = Some(words);
        });
    }

    /// Whether a fault has begun.
    pub fn has_begun(&self) -> bool {
        self.state.borrow().fault() != Fault::None
    }

    /// From now on, connections go to another port of loopback. Those to the former are reset.
    pub fn move_to(&self, port: u16) {
        self.state.send_modify(|state| state.target = target(port));
    }
}

fn target(port: u16) -> SocketAddr {
    SocketAddr::new(LOOPBACK.ip(), port)
}

/// How a connection ends.
enum End {
    Closed,
    Reset,
}

async fn relay(mut client: TcpStream, state: Arc<watch::Sender<State>>) {
    if let End::Reset = carry(&mut client, &state).await {
        let _ = client.set_zero_linger();
    }
}

/// Carries the bytes of one connection until it ends.
async fn carry(client: &mut TcpStream, shared: &watch::Sender<State>) -> End {
    let mut states = shared.subscribe();
    let State { target, .. } = *states.borrow_and_update();
    if states.borrow().fault() == Fault::Refused {
        return End::Reset;
    }
    let begun = states.borrow().fault();
    if let Fault::Late(pause) = begun {
        tokio::time::sleep(pause).await;
    }
    let Ok(mut server) = TcpStream::connect(target).await else {
        return End::Reset;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut up, mut down) = ([0; 16_384], [0; 16_384]);
    // How much has passed since the fault began.
    let mut passed = 0;
    loop {
        let (read, to_server) = tokio::select! {
            biased;
            changed = states.changed() => {
                let State { target: now, .. } = *states.borrow_and_update();
                if changed.is_err() || now != target || states.borrow().fault() == Fault::Refused {
                    return End::Reset;
                }
                passed = 0;
                continue;
            }
            read = client.read(&mut up) => (read, true),
            read = server.read(&mut down) => (read, false),
        };
        let Ok(length @ 1..) = read else {
            return End::Closed;
        };
        let piece = if to_server { &up } else { &down };
        let piece = &piece[..length];
        if to_server && begins(shared, piece) {
            states.mark_unchanged();
            passed = 0;
        }
        let fault = states.borrow().fault();
        let (limit, then) = match fault {
            Fault::Refused => return End::Reset,
            Fault::Request(most, then) if to_server => (Some(most), then),
            Fault::Answer(most, then) if !to_server => (Some(most), then),
            Fault::Slow(pause) => {
                tokio::time::sleep(pause).await;
                (None, Then::Close)
            }
            Fault::SlowRequests(pause) if to_server => {
                tokio::time::sleep(pause).await;
                (None, Then::Close)
            }
            Fault::None
            | Fault::SlowRequests(_)
            | Fault::Late(_)
            | Fault::Request(..)
            | Fault::Answer(..) => (None, Then::Close),
        };
        let left = limit.map_or(length, |most| length.min(most - passed));
        let receiver = if to_server { &mut server } else { &mut *client };
        if receiver.write_all(&piece[..left]).await.is_err() {
            return End::Closed;
        }
        let Some(most) = limit else { continue };
        passed += left;
        if passed < most {
            continue;
        }
        match then {
            Then::Reset => return End::Reset,
            Then::Close => return End::Closed,
            Then::Silence => {
                // What did not pass is lost, so this lasts until the client has left.
                while matches!(client.read(&mut up).await, Ok(1..)) {}
                return End::Closed;
            }
        }
    }
}

/// Whether a client's words begin the fault.
fn begins(shared: &watch::Sender<State>, piece: &[u8]) -> bool {
    shared.send_if_modified(|state| {
        let begins = state.from.is_some_and(|words| {
            let words = words.as_bytes();
            piece.windows(words.len()).any(|window| window == words)
        });
        if begins {
            state.from = None;
        }
        begins
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client and the server's end of one relayed connection.
    async fn connected(relay: &Relay, server: &TcpListener) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect((relay.host(), relay.port()));
        let (client, accepted) = tokio::join!(client, server.accept());
        (client.unwrap(), accepted.unwrap().0)
    }

    #[tokio::test]
    async fn a_fault_strikes_a_connection_that_has_long_begun_and_ends() {
        let server = TcpListener::bind(LOOPBACK).await.unwrap();
        let relay = Relay::start(server.local_addr().unwrap().port())
            .await
            .unwrap();
        let mut buffer = [0; 16];
        let (mut client, mut peer) = connected(&relay, &server).await;
        relay.set_from("go", Fault::Answer(3, Then::Reset));
        for words in [b"no", b"go"] {
            client.write_all(words).await.unwrap();
            assert_eq!(peer.read(&mut buffer).await.unwrap(), 2);
            assert_eq!(relay.has_begun(), words == b"go");
        }
        peer.write_all(b"answer").await.unwrap();
        assert_eq!(client.read(&mut buffer).await.unwrap(), 3);
        let reset = client.read(&mut buffer).await.unwrap_err();
        assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset);
        relay.set(Fault::Request(1, Then::Silence));
        let (mut client, mut peer) = connected(&relay, &server).await;
        client.write_all(b"words").await.unwrap();
        assert_eq!(peer.read(&mut buffer).await.unwrap(), 1);
        let more = client.read(&mut buffer);
        let more = tokio::time::timeout(Duration::from_millis(100), more).await;
        assert!(more.is_err(), "{more:?}");
        relay.set(Fault::Refused);
        let mut client = TcpStream::connect((relay.host(), relay.port()))
            .await
            .unwrap();
        assert!(client.read(&mut buffer).await.is_err());
        relay.set(Fault::None);
        let (mut client, mut peer) = connected(&relay, &server).await;
        peer.write_all(b"answer").await.unwrap();
        assert_eq!(client.read(&mut buffer).await.unwrap(), 6);
        let elsewhere = TcpListener::bind(LOOPBACK).await.unwrap();
        relay.move_to(elsewhere.local_addr().unwrap().port());
        assert!(client.read(&mut buffer).await.is_err());
        connected(&relay, &elsewhere).await;
    }
}
